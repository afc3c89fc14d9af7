import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { root } from '../project/source-files.ts'

/** A broker that runs on Java, and whose jars `scripts/services` fetches. */
export type JavaBroker = 'kafka' | 'hivemq'

/** Where its jars are, if they are. */
export function jarsOf(broker: JavaBroker): string {
  const pom = readFileSync(join(root, `scripts/${broker}/pom.xml`), 'utf8')
  const version = /^ {6}<version>(.*)<\/version>/m.exec(pom)?.[1] ?? ''
  const given = process.env[`BROADCASTER_${broker.toUpperCase()}_JARS`]
  return given ?? join(homedir(), `.cache/ts-broadcaster/${broker}-${version}`)
}

/** The reason to skip for want of the jars or of Java, or false. Throws instead when BROADCASTER_REQUIRE_SERVERS=1. */
export function skipWithoutJars(broker: JavaBroker): string | false {
  if (existsSync(jarsOf(broker)) && spawnSync('java', ['-version']).status === 0) return false
  const reason = `${broker} is not there to be started (\`scripts/services\` fetches it)`
  if (process.env['BROADCASTER_REQUIRE_SERVERS'] === '1')
    throw new Error(`${reason}, and BROADCASTER_REQUIRE_SERVERS=1`)
  return reason
}
