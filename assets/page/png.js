// The chunks of a PNG: its text read, or left out. PNG specification (3rd edition), 5.3 and 11.3.3.

const TEXT_CHUNKS = ["tEXt", "zTXt", "iTXt", "eXIf", "tIME"];
const latin1 = new TextDecoder("latin1");
const utf8 = new TextDecoder("utf-8");

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// {type, start, end, data} of each chunk; null for what is no PNG.
function pngChunks(bytes) {
  const signature = [137, 80, 78, 71, 13, 10, 26, 10];
  if (signature.some((byte, i) => bytes[i] !== byte)) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = [];
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    const end = at + 12 + length;
    if (end > bytes.length) break;
    const type = latin1.decode(bytes.subarray(at + 4, at + 8));
    found.push({ type, start: at, end, data: bytes.subarray(at + 8, at + 8 + length) });
    at = end;
  }
  return found;
}

async function textOfChunk({ type, data }) {
  const stop = data.indexOf(0);
  if (stop < 1) return null;
  const keyword = latin1.decode(data.subarray(0, stop));
  if (type === "tEXt") return [keyword, latin1.decode(data.subarray(stop + 1))];
  if (type === "zTXt") return [keyword, latin1.decode(await inflate(data.subarray(stop + 2)))];
  const compressed = data[stop + 1] === 1;
  const tag = data.indexOf(0, stop + 3); // behind the language
  const start = data.indexOf(0, tag + 1) + 1; // behind the translated keyword
  const body = data.subarray(start);
  return [keyword, utf8.decode(compressed ? await inflate(body) : body)];
}

// Keyword -> text of a PNG; empty for other files.
async function pngText(blob) {
  const chunks = pngChunks(new Uint8Array(await blob.arrayBuffer())) ?? [];
  const texts = {};
  for (const chunk of chunks) {
    if (!["tEXt", "zTXt", "iTXt"].includes(chunk.type)) continue;
    try {
      const found = await textOfChunk(chunk);
      if (found) texts[found[0]] = found[1];
    } catch {
      // Text that does not unpack tells nothing; the picture is good all the same.
    }
  }
  return texts;
}

// The same picture with nothing written into the file.
async function bare(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const chunks = pngChunks(bytes).filter(({ type }) => !TEXT_CHUNKS.includes(type));
  return new Blob([bytes.subarray(0, 8), ...chunks.map(({ start, end }) => bytes.subarray(start, end))], { type: "image/png" });
}
