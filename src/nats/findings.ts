import type { BackendFinding } from '../backend/backend.ts'
import type { OpenNats } from './connection.ts'

/** What a person should know about a stream: which consumers had not been given what it dropped. */
export async function findingsOf({ ask, manager }: OpenNats, stream: string): Promise<readonly BackendFinding[]> {
  // The stream first: what consumers are given between the two looks is then no gap.
  const { state } = await ask((each) => each.streams.info(stream))
  const findings: BackendFinding[] = []
  for await (const { name, config, delivered } of manager.consumers.list(stream)) {
    // For a filtered consumer it is not known whether its subjects were among what is gone.
    const takesAll = (config.filter_subject || '>') === '>' && config.filter_subjects === undefined
    const missed = state.first_seq - 1 - delivered.stream_seq
    if (!takesAll || missed <= 0) continue
    findings.push({
      level: 'wrong',
      message: `messages of the stream ${stream} were dropped before the consumer ${name} had read them: ${missed.toLocaleString('en')}`,
      cure: "replay them (broadcaster replay), and keep more (max_age, max_msgs, max_bytes), or refuse new ones when it is full (discard: 'new')",
    })
  }
  return findings
}
