// Run an ONNX file of a bundle with onnxruntime-node, by Node.js 20.15 or newer.
//
//     npm install --ignore-scripts onnxruntime-node
//     node run_node.cjs model.onnx made z=z.npy
//
// Every output NAME goes to made/NAME.npy; pictures go to made/NAME.png too, in a column.
// Without --ignore-scripts npm would fetch CUDA libraries; the CPU needs none.
const fs = require("fs");
const zlib = require("zlib");
const ort = require(process.env.ONNXRUNTIME ?? "onnxruntime-node"); // onnxruntime-web runs the same lines
ort.env.wasm.numThreads = 1; // of onnxruntime-web

const TYPES = {
  float32: ["<f4", Float32Array],
  int32: ["<i4", Int32Array],
};

// A .npy file: 10 bytes, the last two of them the length of a header such as
// {'descr': '<f4', 'fortran_order': False, 'shape': (16, 64), }, then the values.
function readNpy(file) {
  const bytes = fs.readFileSync(file);
  const start = 10 + bytes.readUInt16LE(8);
  const header = bytes.toString("latin1", 10, start);
  const descr = header.match(/'descr': '([^']*)'/)[1];
  const found = Object.entries(TYPES).find(([, [code]]) => code === descr);
  if (bytes[6] !== 1 || !found || header.includes("True")) {
    throw new Error(`${file}: save it as float32 or int32 in C order, not ${header}`);
  }
  const shape = header.match(/'shape': \(([^)]*)\)/)[1].split(",").filter((n) => n.trim()).map(Number);
  const [type, [, Values]] = found;
  const copy = Uint8Array.from(bytes.subarray(start)); // whose start is aligned
  return new ort.Tensor(type, new Values(copy.buffer), shape);
}

function writeNpy(file, tensor) {
  const shape = tensor.dims.map((n) => `${n},`).join(" ");
  const header = `{'descr': '${TYPES[tensor.type][0]}', 'fortran_order': False, 'shape': (${shape}), }`;
  const text = Buffer.from(`${header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11)}\n`, "latin1");
  const start = Buffer.from([0x93, ...Buffer.from("NUMPY"), 1, 0, text.length & 255, text.length >> 8]);
  const { buffer, byteOffset, byteLength } = tensor.data;
  fs.writeFileSync(file, Buffer.concat([start, text, Buffer.from(buffer, byteOffset, byteLength)]));
}

// Pictures (count, height, width, 1 or 3) in [-1, 1], one below the other.
function writePng(file, { data, dims: [count, height, width, channels] }) {
  const rows = count * height;
  const length = width * channels;
  const raw = Buffer.alloc(rows * (length + 1)); // each row begins with its filter: 0, none
  data.forEach((value, k) => {
    const byte = Math.min(255, Math.max(0, Math.round((value + 1) * 127.5)));
    raw[Math.floor(k / length) * (length + 1) + 1 + (k % length)] = byte;
  });
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(rows, 4);
  header.set([8, channels === 3 ? 2 : 0], 8);
  const chunk = (kind, body) => {
    const inner = Buffer.concat([Buffer.from(kind), body]);
    const around = Buffer.alloc(8);
    around.writeUInt32BE(body.length, 0);
    around.writeUInt32BE(zlib.crc32(inner), 4);
    return Buffer.concat([around.subarray(0, 4), inner, around.subarray(4)]);
  };
  const parts = [["IHDR", header], ["IDAT", zlib.deflateSync(raw)], ["IEND", Buffer.alloc(0)]];
  const magic = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  fs.writeFileSync(file, Buffer.concat([magic, ...parts.map(([kind, body]) => chunk(kind, body))]));
}

async function main() {
  const [model, folder, ...given] = process.argv.slice(2);
  const session = await ort.InferenceSession.create(new Uint8Array(fs.readFileSync(model)));
  const inputs = Object.fromEntries(
    given.map((one) => {
      const at = one.indexOf("=");
      return [one.slice(0, at), readNpy(one.slice(at + 1))];
    }),
  );
  const made = await session.run(inputs);
  fs.mkdirSync(folder, { recursive: true });
  for (const [name, tensor] of Object.entries(made)) {
    writeNpy(`${folder}/${name}.npy`, tensor);
    if (tensor.dims.length === 4 && [1, 3].includes(tensor.dims[3])) writePng(`${folder}/${name}.png`, tensor);
  }
}

main();
