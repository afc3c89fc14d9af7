import { peerOf } from './kafka.ts'

/** With a producer for each lane; see docs/backends/kafka.md. */
export const peer = peerOf(true)
