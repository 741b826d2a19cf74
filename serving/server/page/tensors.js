// Arrays as pictures and sounds, and the arithmetic of latents; the same roundings as the server's.

export const sizeOf = (shape) => shape.reduce((product, side) => product * side, 1);

// row k of an array, as an array of one row
export function row(array, k) {
  const size = sizeOf(array.shape.slice(1));
  return { shape: [1, ...array.shape.slice(1)], data: array.data.slice(k * size, (k + 1) * size) };
}

// to the nearest whole number, halves to the even one, as numpy's rint
function rint(value) {
  const low = Math.floor(value);
  const rest = value - low;
  return rest > 0.5 || (rest === 0.5 && low % 2 !== 0) ? low + 1 : low;
}

// the byte of a number in [-1, 1], in float32 all the way
export const toByte = (value) => Math.min(255, Math.max(0, rint(Math.fround(Math.fround(value + 1) * 127.5))));

// one picture (height, width, channels) of `data`, which begins at `place`
function imageData([height, width, channels], data, place = 0) {
  const made = new ImageData(width, height);
  for (let pixel = 0; pixel < height * width; pixel += 1) {
    for (let channel = 0; channel < 3; channel += 1) {
      made.data[4 * pixel + channel] = toByte(data[place + pixel * channels + Math.min(channel, channels - 1)]);
    }
    made.data[4 * pixel + 3] = 255;
  }
  return made;
}

export function paint(canvas, shape, data, place = 0) {
  const [height, width] = shape;
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  canvas.classList.toggle('pixels', Math.max(width, height) <= 64);
  canvas.getContext('2d').putImageData(imageData(shape, data, place), 0, 0);
}

// along the arc between two vectors, as zoo's `interpolate`; straight where no arc is defined
export function between(tensor, begin, end, t) {
  if (t <= 0) return begin.slice();
  if (t >= 1) return end.slice();
  let [product, first, second] = [0, 0, 0];
  for (let k = 0; k < begin.length; k += 1) {
    product += begin[k] * end[k];
    first += begin[k] ** 2;
    second += end[k] ** 2;
  }
  const lengths = Math.sqrt(first) * Math.sqrt(second);
  const angle = lengths ? Math.acos(Math.min(1, Math.max(-1, product / lengths))) : 0;
  const isArc = tensor.role === 'normal' && Math.sin(angle) >= 1e-6;
  const [a, b] = isArc
    ? [Math.sin((1 - t) * angle) / Math.sin(angle), Math.sin(t * angle) / Math.sin(angle)]
    : [1 - t, t];
  return begin.map((value, k) => a * value + b * end[k]);
}

// the latent that lies `amounts` standard deviations along the directions, within its range
export function walked(tensor, begin, directions, amounts) {
  const sums = Float64Array.from(begin);
  amounts.forEach((amount, number) => {
    directions.vectors[number].forEach((part, k) => { sums[k] += amount * directions.scale * part; });
  });
  const made = Float32Array.from(sums);
  if (tensor.role !== 'uniform') return made;
  const most = Math.fround(tensor.high - 1e-6 * (tensor.high - tensor.low));
  return made.map((value) => Math.min(most, Math.max(tensor.low, value)));
}

const toSample = (value) => Math.min(32767, Math.max(-32768, rint(Math.fround(value * 32768))));

// a WAV file of 16 bits, one channel
export function wav(data, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * data.length));
  const word = (place, text) => [...text].forEach((letter, k) => view.setUint8(place + k, letter.charCodeAt(0)));
  word(0, 'RIFF');
  view.setUint32(4, 36 + 2 * data.length, true);
  word(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  word(36, 'data');
  view.setUint32(40, 2 * data.length, true);
  data.forEach((value, k) => view.setInt16(44 + 2 * k, toSample(value), true));
  return new Blob([view], { type: 'audio/wav' });
}
