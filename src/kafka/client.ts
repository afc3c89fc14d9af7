import { OutageError } from '../backend/send-error.ts'
import { BroadcasterError } from '../errors.ts'
import { waitFor } from '../foundation/waiting.ts'
import type { ResolvedKafkaConnection } from './options.ts'

export type KafkaModule = typeof import('@platformatic/kafka')

/** The options that all our clients share. They resend nothing that Kafka would not drop as a duplicate. */
export function clientOptions({
  bootstrapServers,
  clientId,
  tls,
  sasl,
  connectTimeout,
  timeout,
}: ResolvedKafkaConnection) {
  return {
    clientId,
    bootstrapBrokers: [...bootstrapServers],
    connectTimeout,
    // For the broker's wait for its replicas, and for our wait.
    timeout,
    requestTimeout: timeout,
    ...(tls === false ? {} : { tls: tls === true ? {} : tls }),
    ...(sasl === undefined ? {} : { sasl }),
  }
}

/** Loads the client. Throws `MISSING_DEPENDENCY`. */
export async function importKafka(factory: string): Promise<KafkaModule> {
  try {
    return await import('@platformatic/kafka')
  } catch (cause) {
    throw new BroadcasterError(
      'MISSING_DEPENDENCY',
      `${factory}() connects with the package @platformatic/kafka, which is not installed: \`npm install @platformatic/kafka\``,
      { cause },
    )
  }
}

/** Limits a promise of the client, which may take longer than it should. */
export function within<T>(timeout: number, promise: Promise<T>): Promise<T> {
  return waitFor(promise, { timeout }, () => new OutageError(`no answer from Kafka within ${timeout} ms`))
}
