// A zip of files as they are, without compression: PNGs do not get smaller. PKWARE APPNOTE 6.3, 4.3.

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}

// Little-endian numbers, [bytes, value] each.
function record(...fields) {
  const bytes = new Uint8Array(fields.reduce((sum, [size]) => sum + size, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [size, value] of fields) {
    if (size === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += size;
  }
  return bytes;
}

// files: [{name, blob}]; a name that stands twice gets a number.
async function zip(files) {
  const [parts, listing] = [[], []];
  const names = new Set();
  let offset = 0;
  for (const file of files) {
    let name = file.name;
    for (let n = 2; names.has(name); n++) name = file.name.replace(/(\.\w+)?$/, `-${n}$1`);
    names.add(name);
    const encoded = new TextEncoder().encode(name);
    const data = new Uint8Array(await file.blob.arrayBuffer());
    const UTF8_NAME = 0x800;
    const common = [[2, 20], [2, UTF8_NAME], [2, 0], [2, 0], [2, 33], [4, crc32(data)], [4, data.length], [4, data.length], [2, encoded.length], [2, 0]];
    const head = record([4, 0x04034b50], ...common);
    parts.push(head, encoded, data);
    listing.push(record([4, 0x02014b50], [2, 20], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]), encoded);
    offset += head.length + encoded.length + data.length;
  }
  const size = listing.reduce((sum, bytes) => sum + bytes.length, 0);
  const count = files.length;
  const end = record([4, 0x06054b50], [2, 0], [2, 0], [2, count], [2, count], [4, size], [4, offset], [2, 0]);
  return new Blob([...parts, ...listing, end], { type: "application/zip" });
}
