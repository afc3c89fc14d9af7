import type { ApiRoute } from './call.ts'

const later = (route: Omit<ApiRoute, 'run'>): ApiRoute => ({ ...route, run: () => undefined })

/** What the door for operators does not have yet: each answers 501 NOT_THERE. */
export const LATER_ROUTES: readonly ApiRoute[] = [
  later({
    method: 'GET',
    path: 'operations',
    action: 'read',
    summary: 'Operations on many events, the newest first.',
    query: { after: 'A cursor: next of an answer.' },
    answer: 'OperationsAnswer',
    feature: 'operations',
  }),
  later({
    method: 'POST',
    path: 'operations',
    action: 'operate',
    summary: 'Starts an operation on all events that match a filter.',
    body: { type: 'OperationBody', members: ['do', 'q', 'rate', 'to', 'at', 'reason'] },
    answer: 'OperationRow',
    feature: 'operations',
  }),
  later({
    method: 'GET',
    path: 'operations/{number}',
    action: 'read',
    summary: 'One operation.',
    answer: 'OperationRow',
    feature: 'operations',
  }),
  ...['pause', 'resume', 'cancel', 'undo'].map((name) =>
    later({
      method: 'POST',
      path: `operations/{number}/${name}`,
      action: 'operate',
      summary: `To ${name} an operation.`,
      body: { type: 'BackendActionBody', members: ['reason'] },
      answer: 'OperationRow',
      feature: 'operations',
    }),
  ),
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
