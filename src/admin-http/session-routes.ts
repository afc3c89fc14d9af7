import { jsonAnswer } from './answers.ts'
import type { SessionAnswer } from './api-types.ts'
import type { ApiRoute, Call } from './call.ts'

/** Who asks, and how they come in and go. Nobody needs a right to these. */
export const SESSION_ROUTES: readonly ApiRoute[] = [
  {
    method: 'GET',
    path: 'session',
    action: null,
    summary: 'Who asks, what they may do, and what this server can do.',
    answer: 'SessionAnswer',
    run: sessionAnswer,
  },
  {
    method: 'POST',
    path: 'login',
    action: null,
    summary: 'Takes a token and sets a cookie.',
    body: { type: 'LoginBody', members: ['token'] },
    answer: 'DoneAnswer',
    run: ({ desk, request, body }) =>
      jsonAnswer({ done: true }, { 'set-cookie': desk.authentication.logIn(request, body['token']) }),
  },
  {
    method: 'POST',
    path: 'logout',
    action: null,
    summary: 'Ends the session of the cookie.',
    body: { type: 'EmptyBody', members: [] },
    answer: 'DoneAnswer',
    run: ({ desk, visitor }) => jsonAnswer({ done: true }, { 'set-cookie': desk.authentication.logOut(visitor) }),
  },
]

function sessionAnswer({ desk, visitor, outbox }: Call): SessionAnswer {
  const { authentication, outboxes, settings, features, version } = desk
  return {
    user: visitor?.user ?? null,
    role: visitor?.role ?? null,
    login: authentication.login,
    outbox: visitor ? outbox.name : '',
    outboxes: visitor ? [...outboxes.keys()] : [],
    csrf: visitor && authentication.csrfOf(visitor),
    keysAllowed: settings.showKeys,
    features,
    version: visitor ? version : '',
  }
}
