import type { ApiRoute } from './call.ts'

const later = (route: Omit<ApiRoute, 'run'>): ApiRoute => ({ ...route, run: () => undefined })

/** What the door for operators does not have yet: each answers 501 NOT_THERE. */
export const LATER_ROUTES: readonly ApiRoute[] = [
  later({
    method: 'GET',
    path: 'inbox',
    action: 'read',
    summary: 'What consumers handled lately.',
    query: { after: 'A cursor: next of an answer.' },
    answer: 'InboxAnswer',
    feature: 'inbox',
  }),
]
