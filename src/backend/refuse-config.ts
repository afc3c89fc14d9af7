import { BroadcasterError } from '../errors.ts'

/** The `checkConfig` of a backend without per-event config: ignoring one would hide a mistake. */
export function refuseConfig(factory: string): (config: Readonly<Record<string, unknown>>) => void {
  return (config) => {
    const [name] = Object.keys(config)
    if (name === undefined) return
    throw new BroadcasterError(
      'INVALID_OPTION',
      `backendConfig.${name} is not read by ${factory}(), which takes no config for single events; leave it out`,
      { field: `backendConfig.${name}`, value: config[name] },
    )
  }
}
