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

/** Whether it is a client of one of these libraries. */
export function isRedisClient(value: unknown): value is RedisClient {
  return isObject(value) && (typeof value['call'] === 'function' || typeof value['sendCommand'] === 'function')
}

/** How to run a command with a client, whatever its library. */
export function runWith(client: RedisClient): RunCommand {
  if ('call' in client) return (_key, [command, ...args]) => client.call(command, args)
  if ('masters' in client) return (key, args) => client.sendCommand(key, false, [...args])
  // The array is ours and not used again, so thousands of strings need no copy.
  return (_key, args) => client.sendCommand(args as unknown as string[])
}

/**
 * Makes an injected client reconnect, where it connects to one server: a cluster client follows its cluster by itself.
 */
export function reconnectWith(client: RedisClient): () => void {
  if ('masters' in client) return () => undefined
  if ('call' in client) return () => client.disconnect?.(true)
  // node-redis has no call for this that does not end the client, so we ask Redis to close the connection.
  return () => void client.sendCommand(['QUIT']).catch(() => undefined)
}

/**
 * What an injected client does by itself that we cannot allow, or undefined. A client that queues commands while Redis
 * is down, or resends them, delivers them after we have reported them as not delivered and sent them again: earlier
 * events of a key would arrive after later ones.
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
  // A node-redis cluster keeps its options under another name than all others.
  for (const name of ['options', '_options', '_clientOptions']) {
    const options: unknown = Reflect.get(client, name)
    if (isObject(options)) return options
  }
  return {}
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
