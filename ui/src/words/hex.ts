/** Bytes as hexadecimal digits and, beside them, as far as they are signs of ASCII: 16 a line. Pure. */
export function hexText(bytes: Uint8Array): string {
  const lines: string[] = []
  for (let at = 0; at < bytes.length; at += 16) {
    const line = [...bytes.subarray(at, at + 16)]
    const digits = line.map((byte) => byte.toString(16).padStart(2, '0'))
    const [left, right] = [digits.slice(0, 8).join(' '), digits.slice(8).join(' ')]
    const signs = line.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '.')).join('')
    lines.push(`${at.toString(16).padStart(8, '0')}  ${left.padEnd(23)}  ${right.padEnd(23)}  |${signs}|`)
  }
  return lines.join('\n')
}
