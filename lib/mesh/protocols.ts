/** IP protocols by their words; numbers are those of IANA. 'icmp' is that of both IP versions; RoCEv2 is UDP. */
const words: Readonly<Record<string, readonly number[]>> = {
  tcp: [6],
  udp: [17],
  icmp: [1, 58],
  sctp: [132],
  gre: [47],
  esp: [50],
  ah: [51],
  roce: [17],
}

/** The words for IP protocols that a mesh may use. */
export const protocolWords: readonly string[] = Object.keys(words)

/** The numbers of the IP protocols whose ports are looked at: TCP, UDP, SCTP. */
export const portedProtocols: readonly number[] = [6, 17, 132]

/** The numbers of the IP protocols that a text means: a word, or a decimal number from 0 to 255; `undefined`: none. */
export function protocolsOf(text: string): readonly number[] | undefined {
  if (Object.hasOwn(words, text)) return words[text]
  return /^(0|[1-9][0-9]{0,2})$/.test(text) && Number(text) <= 255 ? [Number(text)] : undefined
}
