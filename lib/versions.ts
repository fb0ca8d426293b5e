import type { Versions } from './api.js'
import { loadAddon } from './native.js'
import { version } from './version.js'

/** The addon's own answer, or `null` where it cannot be loaded. */
function native<T>(answer: (addon: ReturnType<typeof loadAddon>) => T): T | null {
  try {
    return answer(loadAddon())
  } catch {
    return null
  }
}

/**
 * The versions of flatproxy and of what its native part is built from; `null` where that cannot be loaded, or does not
 * carry it. The addon is loaded when one of those is read.
 */
export const versions: Versions = Object.freeze({
  flatproxy: version,
  get dpdk() {
    return native((addon) => addon.dpdkVersion())
  },
  openssl: null,
})
