/** Text as XML wants it. */
export const escapeXml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

type Attributes = Readonly<Record<string, string | number>>

/** An element; numbers are written to a tenth. */
export function element(name: string, attributes: Attributes, ...content: readonly string[]): string {
  const written = Object.entries(attributes).map(
    ([key, value]) => ` ${key}="${typeof value === 'number' ? Number(value.toFixed(1)) : escapeXml(value)}"`,
  )
  return content.length === 0
    ? `<${name}${written.join('')}/>`
    : `<${name}${written.join('')}>${content.join('')}</${name}>`
}

/** A line of text; `anchor` is where x is. */
export const label = (x: number, y: number, text: string, more: Attributes = {}): string =>
  element('text', { x, y, ...more }, escapeXml(text))

/** Colours that stand out from white and from black. */
const palette = [
  '#1f77b4',
  '#ff7f0e',
  '#2ca02c',
  '#d62728',
  '#9467bd',
  '#8c564b',
  '#e377c2',
  '#7f7f7f',
  '#bcbd22',
  '#17becf',
]

/** flatproxy's own colour; others take theirs by their place. */
export function colourOf(peer: string, place: number): string {
  return peer.startsWith('flatproxy')
    ? '#d62728'
    : palette.filter((colour) => colour !== '#d62728')[place % (palette.length - 1)]!
}

/** A whole picture. Its text takes the reader's colour scheme. */
export function picture(width: number, height: number, title: string, ...content: readonly string[]): string {
  const style = `text{font:12px system-ui,sans-serif;fill:#24292f}.title{font-weight:600;font-size:14px}.faint{fill:#57606a}
.line{stroke:#57606a;stroke-opacity:.35}.whisker{stroke:#24292f}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.faint{fill:#9198a1}.line{stroke:#9198a1}.whisker{stroke:#e6edf3}}`
  return `${element(
    'svg',
    { xmlns: 'http://www.w3.org/2000/svg', viewBox: `0 0 ${width} ${height}`, width, height, role: 'img' },
    element('title', {}, escapeXml(title)),
    element('style', {}, style),
    ...content,
  )}\n`
}
