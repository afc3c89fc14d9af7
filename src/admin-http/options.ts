import {
  callback,
  duration,
  flag,
  integer,
  listOf,
  nested,
  oneOf,
  option,
  required,
  secret,
  shorthand,
  text,
} from '../foundation/option-kinds.ts'
import { type FinalCheck, type OptionsOf, type ResolvedOf, readOptions } from '../foundation/option-table.ts'
import { type AdminAction, type AdminUser, ROLES } from './admin-user.ts'
import { isPath } from './masking.ts'

/** Shorter ones are guessed, in characters. */
export const LEAST_TOKEN = 16
const LEAST_PASSWORD = 12

const role = oneOf('viewer', ...ROLES)
const name = option<string, string | undefined>('a name of 1 to 100 characters', undefined, (value) => {
  return typeof value === 'string' && /^[^\p{Cc}:]{1,100}$/u.test(value)
})
const secretText = (least: number) =>
  secret(
    option<string, string | undefined>(
      `a text of ${least} to 200 characters without spaces at its ends`,
      undefined,
      (value) => {
        return typeof value === 'string' && value.trim() === value && value.length >= least && value.length <= 200
      },
    ),
  )

/** One token, and whose it is. */
export const TOKEN = {
  /** 16 to 200 characters. */
  token: required(secretText(LEAST_TOKEN)),
  /** What the audit calls its owner. */
  user: required(name),
  /** What its owner may do. Default `viewer`. */
  role,
}
/** One password, and whose it is. */
export const PASSWORD = {
  /** 12 to 200 characters. */
  password: required(secretText(LEAST_PASSWORD)),
  /** The name to log in with, and what the audit calls its owner. */
  user: required(name),
  /** What its owner may do. Default `viewer`. */
  role,
}

/** Hides what lies at some paths of the data of some events. */
export const MASK = {
  /** The event types: `order.*`; `*` = all. Default `*`. */
  type: text('*', { max: 255 }),
  /** Paths such as `$.card.number`, `$.items[*].iban` and `$` for all of it. */
  paths: required(
    option<readonly string[], readonly string[] | undefined>('a list of paths such as `$.card`', undefined, (value) => {
      return Array.isArray(value) && value.length > 0 && value.every(isPath)
    }),
  ),
}

type Authenticate = (request: Request) => AdminUser | Response | null | PromiseLike<AdminUser | Response | null>
type Allow = (user: AdminUser, action: AdminAction, outbox: string) => boolean | PromiseLike<boolean>

/** One of the first four says who may come in. */
export const ADMIN_HANDLER = {
  /**
   * A token that lets its holder in, as `admin` with all rights; or a list, each with a user and a role. People log in with it,
   * programs send it as `authorization: Bearer`. At least 16 characters. Default: none.
   */
  token: secret({
    ...shorthand(listOf(nested(TOKEN)), (token) => [{ token, user: 'admin', role: 'admin' } as const]),
    wanted: `a text of ${LEAST_TOKEN} to 200 characters, or a list, each { token, user, role } with such a token`,
  }),
  /** Names and passwords, for the browser's own dialog. At least 12 characters each. Default: none. */
  basic: secret({
    ...listOf(nested(PASSWORD)),
    wanted: `a list, each { user, password, role } with a password of ${LEAST_PASSWORD} to 200 characters`,
  }),
  /**
   * The application's own check: who it is, null to refuse, or a `Response` that redirects to a login. Called for each
   * request. Default: none.
   */
  authenticate: callback<Authenticate>('a function of a Request'),
  /** Lets everyone on this machine in, with all rights; requests from elsewhere are refused. Default: none. */
  unsafe: option<true, true | undefined>('true, or leave it out', undefined, (value) => value === true),
  /** Says no to what a role would allow: a function of user, action and outbox. What throws is a no. Default: roles alone decide. */
  allow: callback<Allow>('a function of a user, an action and an outbox'),
  /** Shows partition keys as they are; otherwise a hash stands for each. Default false. */
  showKeys: flag(false),
  /** What is hidden in the data of events. Default: nothing. */
  mask: listOf(nested(MASK)),
  /**
   * Signs cookies and cursors, 16 to 200 characters: give the same to all processes that serve the same people. Default: made from
   * the token or the passwords, otherwise new with each start.
   */
  secret: secretText(LEAST_TOKEN),
  /** Whether the cookie of a login is for HTTPS alone. Default: whether the login came by it. */
  secureCookie: flag(undefined),
  /** How long a login lasts, in milliseconds. Default 43,200,000: 12 hours. */
  sessionTime: duration(43_200_000, { min: 60_000, max: 604_800_000 }),
  /** Believes `x-forwarded-for` and `x-forwarded-proto`, of which a proxy in front has to write the last value. Default false. */
  trustProxy: flag(false),
  /** How long the outbox may take to answer one call, in milliseconds. Default 5,000. */
  timeout: duration(5_000, { min: 100, max: 60_000 }),
  /** Rows that a search may look at in one call, where no index answers. Default 200,000. */
  searchRows: integer(200_000, { min: 1_000, max: 10_000_000 }),
  /** How long such a search may take, in milliseconds. Default 2,000. */
  searchTime: duration(2_000, { min: 100, max: 30_000 }),
  /** Actions that one user may do in a minute. Default 120. */
  actionsPerMinute: integer(120, { min: 1, max: 100_000 }),
}

/** How the admin is served, and to whom. */
export type AdminHandlerOptions = OptionsOf<typeof ADMIN_HANDLER>
/** The same, read. */
export type AdminSettings = ResolvedOf<typeof ADMIN_HANDLER>

const CHOICES = ['token', 'basic', 'authenticate', 'unsafe'] as const

/** Reads them. Throws `INVALID_OPTION`, also when nothing says who may come in. */
export function readAdminOptions(options: unknown): AdminSettings {
  return readOptions('adminHandler()', ADMIN_HANDLER, options, (read, check) => {
    checkChoice(check)
    return read
  })
}

function checkChoice({ given, refuse, alone }: FinalCheck<typeof ADMIN_HANDLER>): void {
  const [first, ...more] = CHOICES.filter((choice) => given[choice] !== undefined)
  if (first === undefined) {
    refuse(
      'token',
      'is missing, and so are basic, authenticate and unsafe: one of them must say who may log in; give token',
    )
  } else if (more.length > 0) alone(first, more)
  for (const choice of ['token', 'basic'] as const) {
    const list: unknown = given[choice]
    if (!Array.isArray(list)) continue
    if (list.length === 0) refuse(choice, 'is an empty list, so no one could log in; give at least one entry')
    const member = choice === 'token' ? 'token' : 'user'
    const values = list.map((one: Readonly<Record<string, unknown>>) => one[member])
    if (new Set(values).size < values.length)
      refuse(choice, `has the same ${member} twice; give each a ${member} of its own`)
  }
}
