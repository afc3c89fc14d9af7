/** A server may close the connection over any of these; Mosquitto does. */
const UNFIT = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/gu
/** Its length is written in two bytes. */
const LONGEST = 65_535

/** Whether it can be a text in MQTT: a topic, a content type, a name or value of a user property. */
export function isText(value: unknown): value is string {
  return typeof value === 'string' && Buffer.byteLength(value) <= LONGEST && value.search(UNFIT) === -1
}

/** The text with `_` for each character that MQTT has no place for. */
export function fitText(text: string): string {
  return text.replace(UNFIT, '_')
}
