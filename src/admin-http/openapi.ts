import { LEAST_ROLE } from './admin-user.ts'
import { PROBLEMS } from './api-problem.ts'
import SCHEMAS from './api-schemas.json' with { type: 'json' }
import type { OpenApiDocument } from './api-types.ts'
import type { ApiRoute } from './call.ts'

type Json = Readonly<Record<string, unknown>>

interface Schema {
  readonly [keyword: string]: unknown
  readonly properties?: Readonly<Record<string, Json>>
  readonly required?: readonly string[]
}

/** `npm run api` makes them of `api-*.ts`. */
const schemas: Readonly<Record<string, Schema>> = SCHEMAS

/** What the parts of a path mean, by their names. */
const PARTS: Readonly<Record<string, string>> = {
  id: 'The id of an event, which is a UUID, or of a kept filter.',
  name: 'A name, as a list of these gives it.',
  number: 'The number of an operation, or of a line of the audit.',
}
/** Parameters that are whole numbers. */
const WHOLE = ['limit', 'at']

const DESCRIPTION = `What an operator sees and does. Instants are RFC 3339 texts in UTC, durations milliseconds. An answer may get
more members in a later version; a body with a member that its call does not take is refused. Errors are RFC 9457 problems with a
stable \`code\`. A server whose host application decides who may come in (\`authenticate\`), or that is open to its own machine, needs
none of the credentials named here, but \`x-csrf\` all the same.`

/** The API that these routes are, as an OpenAPI 3.1 document. Addresses are relative to where it is read. Pure. */
export function openApiDocument(routes: readonly ApiRoute[], version: string): OpenApiDocument {
  const byPath = Map.groupBy(routes, ({ path }) => `/${path}`)
  return {
    openapi: '3.1.1',
    info: { title: 'Broadcaster admin API', version, description: DESCRIPTION.replaceAll('\n', ' ') },
    servers: [{ url: '../api' }],
    security: securityOf('GET'),
    paths: Object.fromEntries(
      Array.from(byPath, ([path, own]) => [
        path,
        {
          parameters: [{ $ref: '#/components/parameters/outbox' }, ...partsOf(path)],
          ...Object.fromEntries(own.map((route) => [route.method.toLowerCase(), operationOf(route)])),
        },
      ]),
    ),
    components: {
      schemas: { ...schemas, ProblemAnswer: problemSchema() },
      parameters: {
        outbox: {
          ...{ name: 'outbox', in: 'query', schema: { type: 'string' } },
          description: 'Which outbox, by its name. Default: the first.',
        },
      },
      responses: {
        Problem: {
          description: 'Why it is not done.',
          content: { 'application/problem+json': { schema: refTo('ProblemAnswer') } },
        },
      },
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'A token of the option `token`.' },
        basic: { type: 'http', scheme: 'basic', description: 'A user of the option `basic`.' },
        cookie: {
          ...{ type: 'apiKey', in: 'cookie', name: 'broadcaster-admin' },
          description: 'What `login` sets.',
        },
        csrf: {
          ...{ type: 'apiKey', in: 'header', name: 'x-csrf' },
          description: '`csrf` of `session`; each POST needs it unless it has a bearer token.',
        },
      },
    },
  }
}

function operationOf(route: ApiRoute): Json {
  const { method, path, summary, query = {}, body, action, answer, feature } = route
  const right = action === null ? 'Everybody may call it.' : `Needs the right \`${action}\` (${LEAST_ROLE[action]}).`
  const there = feature === undefined ? '' : ` Answers 501 where \`features.${feature}\` of \`session\` is false.`
  return {
    operationId: nameOf(method, path),
    summary,
    description: `${right}${there}`,
    tags: [path.split('/')[0]],
    ...(action === null ? { security: [] } : method === 'POST' && { security: securityOf(method) }),
    parameters: Object.entries(query).map(([name, description]) => ({
      ...{ name, in: 'query', description },
      schema: { type: WHOLE.includes(name) ? 'integer' : 'string' },
    })),
    ...(body && {
      requestBody: {
        content: { 'application/json': { schema: bodyOf(body) } },
        ...(requiredOf(body.type).length > 0 && { required: true }),
      },
    }),
    responses: {
      200: {
        description: answer === null ? 'A stream of events, until the caller leaves.' : 'Done.',
        content:
          answer === null
            ? { 'text/event-stream': { schema: { type: 'string' } } }
            : { 'application/json': { schema: answerOf(answer) } },
      },
      default: { $ref: '#/components/responses/Problem' },
    },
  }
}

/** `getEventsById` of GET events/{id}. */
function nameOf(method: string, path: string): string {
  const words = path.replaceAll(/\{(\w+)\}/g, 'by-$1').split(/[^a-z\d]+/i)
  return [method.toLowerCase(), ...words.map((word) => word.charAt(0).toUpperCase() + word.slice(1))].join('')
}

function partsOf(path: string): readonly Json[] {
  return Array.from(path.matchAll(/\{(\w+)\}/g), ([, name = '']) => ({
    ...{ name, in: 'path', required: true, schema: { type: 'string' } },
    description: PARTS[name],
  }))
}

/** A browser sends cookies and passwords by itself, so those alone prove nothing of a POST. */
function securityOf(method: ApiRoute['method']): readonly Json[] {
  const proof = method === 'POST' ? { csrf: [] } : {}
  return [{ bearer: [] }, { cookie: [], ...proof }, { basic: [], ...proof }]
}

/** `A`, `A[]` or `A | B`, as a route names its answer. */
function answerOf(answer: string): Json {
  const names = answer.split(' | ')
  if (names.length > 1) return { anyOf: names.map(answerOf) }
  return answer.endsWith('[]') ? { type: 'array', items: refTo(answer.slice(0, -2)) } : refTo(answer)
}

/** The type of a body; where a route takes less than all of its members, only those. */
function bodyOf({ type, members }: NonNullable<ApiRoute['body']>): Json {
  const { properties = {} } = schemas[type] ?? {}
  if (Object.keys(properties).every((name) => members.includes(name))) return refTo(type)
  const taken = Object.entries(properties).filter(([name]) => members.includes(name))
  const required = requiredOf(type).filter((name) => members.includes(name))
  return {
    ...{ type: 'object', properties: Object.fromEntries(taken), additionalProperties: false },
    ...(required.length > 0 && { required }),
  }
}

function requiredOf(type: string): readonly string[] {
  return schemas[type]?.required ?? []
}

function refTo(name: string): Json {
  return { $ref: `#/components/schemas/${name}` }
}

/** With the codes that there are. */
function problemSchema(): Json {
  const { properties = {}, ...rest } = schemas['ProblemAnswer'] ?? {}
  return { ...rest, properties: { ...properties, code: { ...properties['code'], enum: Object.keys(PROBLEMS) } } }
}
