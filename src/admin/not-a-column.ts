import { suggestion } from '../foundation/suggestion.ts'

/** What `publish`, CloudEvents and people call what the column calls by another word, without case, - and _. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  backend: 'publisherBackend',
  type: 'eventType',
  time: 'eventTime',
  key: 'partitionKey',
  contenttype: 'dataContentType',
  schema: 'dataSchema',
  error: 'lastError',
  retries: 'retryCount',
  attempts: 'retryCount',
}

/** Says that there is no such column, and which is meant; continues its name. */
export function notAColumn(name: string, columns: readonly string[]): string {
  const plain = name.toLowerCase().replace(/[_-]/g, '')
  const other = Object.hasOwn(OTHER_NAMES, plain) ? (OTHER_NAMES[plain] ?? plain) : name
  return `is not a column${suggestion(other, columns)}; columns: ${columns.join(', ')}`
}
