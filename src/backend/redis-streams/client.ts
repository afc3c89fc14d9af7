import { BroadcasterError } from '../../errors.ts'

/** node-redis: `createClient()`. Only the members that we call. */
export interface NodeRedisClient {
  sendCommand(args: string[]): Promise<unknown>
}

/** node-redis: `createCluster()`. */
export interface NodeRedisCluster {
  readonly masters: readonly unknown[]
  sendCommand(firstKey: string | undefined, isReadonly: boolean | undefined, args: string[]): Promise<unknown>
}

/** ioredis: `new Redis()`, `new Redis.Cluster()`. */
export interface IoRedisClient {
  call(command: string, args: string[]): Promise<unknown>
  /** `reconnect`: as if the connection had been lost. */
  disconnect?(reconnect?: boolean): void
}

/** Any client that can be injected. */
export type RedisClient = NodeRedisClient | NodeRedisCluster | IoRedisClient

/** Runs one command. `key` routes it in a cluster; undefined = any node. */
export type RunCommand = (key: string | undefined, args: readonly [string, ...string[]]) => Promise<unknown>

/** How to run a command with a client, whatever its library. Throws `INVALID_OPTION` for what is none. */
export function runWith(client: RedisClient): RunCommand {
  if (isObject(client)) {
    if ('call' in client && typeof client.call === 'function') {
      const redis = client as IoRedisClient
      return (_key, [command, ...args]) => redis.call(command, args)
    }
    if ('sendCommand' in client && typeof client.sendCommand === 'function') {
      if ('masters' in client) {
        const cluster = client as NodeRedisCluster
        return (key, args) => cluster.sendCommand(key, false, [...args])
      }
      const redis = client as NodeRedisClient
      // The array is ours and not used again: no copy for a batch of thousands of strings.
      return (_key, args) => redis.sendCommand(args as unknown as string[])
    }
  }
  throw new BroadcasterError(
    'INVALID_OPTION',
    'client must be a node-redis client or cluster (it has sendCommand) or an ioredis one (it has call)',
    { field: 'client', value: client },
  )
}

/**
 * How to have an injected client connect anew, where it connects to one server: a client of a cluster follows its changes by
 * itself.
 */
export function reconnectWith(client: RedisClient): () => void {
  if ('masters' in client) return () => undefined
  if ('call' in client) return () => client.disconnect?.(true)
  // node-redis has no call for it that does not end the client; so we ask Redis to close the connection.
  return () => void client.sendCommand(['QUIT']).catch(() => undefined)
}

/**
 * What an injected client does by itself that we cannot allow, or undefined. A client that keeps commands while Redis
 * is away, or sends them again, delivers them after we have reported them as not delivered and sent them anew: later
 * events of the same key would be overtaken by earlier ones.
 */
export function retriesByItself(client: RedisClient): string | undefined {
  const options = optionsOf(client)
  if ('call' in client) {
    const redis = isObject(options['redisOptions']) ? options['redisOptions'] : options
    const wrong: string[] = []
    if (options['enableOfflineQueue'] !== false) wrong.push('enableOfflineQueue: false')
    if (redis['autoResendUnfulfilledCommands'] !== false) wrong.push('autoResendUnfulfilledCommands: false')
    return wrong.length === 0 ? undefined : `must be created with { ${wrong.join(', ')} }`
  }
  const defaults = isObject(options['defaults']) ? options['defaults'] : options
  if (defaults['disableOfflineQueue'] === true) return undefined
  return `must be created with ${'masters' in client ? '{ defaults: { disableOfflineQueue: true } }' : '{ disableOfflineQueue: true }'}`
}

function optionsOf(client: object): Readonly<Record<string, unknown>> {
  // A node-redis cluster shows its options under another name than everybody else.
  for (const name of ['options', '_options', '_clientOptions']) {
    const options: unknown = Reflect.get(client, name)
    if (isObject(options)) return options
  }
  return {}
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
