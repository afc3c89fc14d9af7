const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** Whether a text can be cast to `uuid`: an id that cannot is nobody's id, and no error. */
export function isUuid(text: string): boolean {
  return UUID.test(text)
}
