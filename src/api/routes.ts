// The paths that a peer answers by HTTP: one place for the peer, the agent, the command line and the scripts.
import { type Digest, digestHex } from '../base/digest.ts';

export const DEFAULT_HTTP_PORT = 8067;

/** HMAC of a question or answer about orders, with the admin token that a site's boot hosts share: see io/order-proof. */
export const ORDER_PROOF_HEADER = 'peerboot-proof';

export const ROUTES = {
  /** First script for any iPXE: chains to `script` with everything iPXE knows about the machine. */
  start: '/boot/start.ipxe',
  /** The machine's own script; query: see `ScriptQuery`. */
  script: '/boot/script.ipxe',
  /** Boot assets by name: NBPs, kernel, agent initramfs. */
  files: '/boot/files',
  /** Files of boot entries: `<name>/<version>/<path>`. */
  entries: '/boot/entries',
  /** The same tree as an origin's: `catalogue/…` and `chunks/<hh>/<hex>`. */
  content: '/content',
  checkIn: '/agent/v1/check-in',
  progress: '/agent/v1/progress',
  machines: '/admin/v1/machines',
  machineEvents: '/admin/v1/machines/events',
  assignments: '/admin/v1/assignments',
  /** `AssignmentList`, all of it or nothing. */
  assignmentList: '/admin/v1/assignments/list',
  /** `Approval` of a machine that waits on its screen. */
  approvals: '/admin/v1/approvals',
  /** One-time PINs for the phone page. */
  pins: '/admin/v1/pins',
  images: '/admin/v1/images',
  /** What a machine would see (`MenuView`); query: `machine`, `firmware`. */
  menu: '/admin/v1/menu',
  /** Facts of this peer for its site (`PeerFacts`), read-only and open. */
  siteLines: '/site/v1/lines',
  /** What administrators told this peer of machines (`OrdersAnswer`), for boot hosts with the same admin token. */
  siteOrders: '/site/v1/orders',
  /** Machines that this peer imaged or named (`ImagedAnswer`), for the other boot hosts of the site. */
  siteImaged: '/site/v1/imaged',
  /** A name for a machine (`NameWish` → `NameAnswer`), of the boot host that numbers. */
  siteName: '/site/v1/name',
  /** What this peer has learnt of firmwares (`FirmwareFacts`), for the other boot hosts; for administrators, who may also delete it. */
  siteFirmware: '/site/v1/firmware',
  firmware: '/admin/v1/firmware',
  /** The page for phones, and what it asks and tells, by PIN. */
  approve: '/approve',
  approveLook: '/approve/v1/look',
  approveDecide: '/approve/v1/decide',
  site: '/admin/v1/site',
  control: '/admin/v1/control',
  preseed: '/admin/v1/preseed',
  evict: '/admin/v1/evict',
  ledger: '/admin/v1/ledger',
  live: '/livez',
  ready: '/readyz',
  metrics: '/metrics',
} as const;

/** Request headers of `/content/chunks/…`: see `Wanted`. */
export const CONTENT_HEADERS = {
  /** Digest of the manifest of the image that the chunk belongs to. */
  image: 'peerboot-image',
  /** Present when a peer of the same site asks. */
  relayed: 'peerboot-relayed',
} as const;

/** Path of stored bytes below a source's base, the same at origins, parents and peers. */
export function chunkPath(digest: Digest): string {
  const hex = digestHex(digest);
  return `chunks/${hex.slice(0, 2)}/${hex}`;
}

/** Path of a file of TUF metadata below a source's base. */
export function cataloguePath(file: string): string {
  return `catalogue/${file}`;
}
