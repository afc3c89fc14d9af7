import { BroadcasterError } from '../../errors.ts'

/** The character set in which a session exchanges text, in which all of its rows are. */
export const SESSION_ENCODING = `current_setting('client_encoding')`

/**
 * Every client library writes UTF-8, whatever encoding a session was set to: in another one the server would store and
 * return wrong characters. SQL_ASCII means that it converts nothing.
 */
export function refuseEncoding(encoding: unknown): void {
  if (encoding === 'UTF8' || encoding === 'SQL_ASCII') return
  throw new BroadcasterError(
    'INVALID_OPTION',
    `the session has client_encoding ${encoding}, in which text would be stored wrongly; leave it at UTF8, in which the client library writes`,
    { field: 'client_encoding', value: encoding },
  )
}
