import type { BackendFinding } from '../backend/backend.ts'
import type { OpenNats } from './connection.ts'

/** What a person should know of a stream: which of its consumers were not given what it dropped. */
export async function findingsOf({ ask, manager }: OpenNats, stream: string): Promise<readonly BackendFinding[]> {
  // First: what consumers are given in between is no gap.
  const { state } = await ask((each) => each.streams.info(stream))
  const findings: BackendFinding[] = []
  for await (const { name, config, delivered } of manager.consumers.list(stream)) {
    // Of one that takes some subjects only, nobody knows whether they were among what is gone.
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
