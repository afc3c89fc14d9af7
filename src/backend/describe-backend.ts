import type { Backend } from './backend.ts'

interface Place {
  readonly host: string
  readonly port?: number | undefined
}

/**
 * What a backend says about itself: `kafka events at 127.0.0.1:9092`. A target that is chosen per event is left out,
 * and so is the address of an injected client. Of a url only host and port are shown: the rest may be a secret.
 */
export function describeBackend(
  kind: string,
  target: unknown,
  places: readonly (Place | string)[] = [],
): Required<Pick<Backend, 'description' | 'messaging'>> {
  const at = places.map((place) => (typeof place === 'string' ? hostOf(place) : hostAndPort(place)))
  const destination = typeof target === 'string' && target !== '' ? target : undefined
  const words = [kind, destination, at.length > 0 ? `at ${at.join(', ')}` : undefined]
  return {
    description: words.filter((word) => word !== undefined).join(' '),
    messaging: { system: kind, destination },
  }
}

function hostAndPort({ host, port }: Place): string {
  return port === undefined ? host : `${host}:${port}`
}

/** Of `nats://user:secret@host:4222`, or of `host:4222`. */
function hostOf(address: string): string {
  const authority = address.replace(/^[a-z+]+:\/\//i, '').replace(/[/?#].*$/s, '')
  return authority.slice(authority.lastIndexOf('@') + 1)
}
