import { BlockList, isIP, type LookupFunction } from 'node:net'

/**
 * Networks that are not the public internet, by the IANA special-purpose registries (RFC 6890 and its updates). The
 * metadata services of the clouds are among them (169.254.169.254, fd00:ec2::254, 100.100.100.200, 192.0.0.192).
 */
const PRIVATE_IPV4 = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  // Azure's host agent, which answers only its virtual machines.
  ['168.63.129.16', 32],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const

/** Ranges that embed an IPv4 address (mapped, translated, NAT64, 6to4, Teredo) are refused whole. */
const PRIVATE_IPV6 = [
  ['::', 96],
  ['::ffff:0:0', 96],
  // Stateless translation (RFC 2765): ::ffff:0:127.0.0.1.
  ['::ffff:0:0:0', 96],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  // The dummy prefix (RFC 9780).
  ['100:0:0:1::', 64],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
  ['5f00::', 16],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
] as const

let blocked: { readonly ipv4: BlockList; readonly ipv6: BlockList } | undefined

function blockLists(): { readonly ipv4: BlockList; readonly ipv6: BlockList } {
  if (blocked) return blocked
  const lists = { ipv4: new BlockList(), ipv6: new BlockList() }
  for (const [network, prefix] of PRIVATE_IPV4) lists.ipv4.addSubnet(network, prefix, 'ipv4')
  for (const [network, prefix] of PRIVATE_IPV6) lists.ipv6.addSubnet(network, prefix, 'ipv6')
  return (blocked = lists)
}

/** Whether an IP address is private, loopback, link-local or otherwise not public. False for a name. */
export function isPrivateAddress(address: string): boolean {
  const bare = address.replace(/^\[|\]$/g, '').replace(/%.*$/, '')
  const family = isIP(bare)
  if (family === 0) return false
  return family === 4 ? blockLists().ipv4.check(bare, 'ipv4') : blockLists().ipv6.check(bare, 'ipv6')
}

/** A destination's address is in a private network, which is not permitted. */
export class PrivateAddressError extends Error {
  override readonly name = 'PrivateAddressError'
  constructor(host: string, address: string) {
    const which = host === address ? '' : ` (${address})`
    super(`${host}${which} is in a private network; { allowPrivateNetworks: true } permits that`)
  }
}

/**
 * A lookup that refuses a name when any of its addresses is private. The connection itself uses it and goes to the
 * address that it returned, so a name cannot change between check and use. Node does not look up IP addresses: check
 * those with `isPrivateAddress`.
 */
export function publicLookup(resolve: LookupFunction): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, found, family) => {
      if (error) return callback(error, '')
      // A user's resolver may answer with one address even when asked for all.
      const addresses = Array.isArray(found) ? found : [{ address: found, family: family ?? isIP(found) }]
      const inside = addresses.find(({ address }) => isPrivateAddress(address))
      if (inside) return callback(new PrivateAddressError(hostname, inside.address), '')
      const [first] = addresses
      if (options.all === true || !first) return callback(null, addresses)
      return callback(null, first.address, first.family)
    })
  }
}
