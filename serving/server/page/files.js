// What people drop: pictures and sounds as the values that a map takes.

import { isFree } from './spec.js';
import { sizeOf } from './tensors.js';

const MOST_SIDE = 512; // of what is made of a picture of any size

// the largest part about the middle that has the wanted sides' shape, as [x, y, width, height]
function middle(picture, [height, width]) {
  const scale = Math.min(picture.width / width, picture.height / height);
  const [across, down] = [width * scale, height * scale];
  return [(picture.width - across) / 2, (picture.height - down) / 2, across, down];
}

// the picture in a file, (1, height, width, channels) in [-1, 1]; transparency lies over white, as on the server
async function pictureIn(file, tensor, output) {
  const picture = await createImageBitmap(file);
  const channels = tensor.shape[2];
  let [height, width] = tensor.shape;
  if (isFree(tensor)) {
    const ratio = output.follows ? output.shape[0] / tensor.shape[0] : 1;
    const scale = Math.min(1, MOST_SIDE / ratio / Math.max(picture.width, picture.height));
    [height, width] = [picture.height, picture.width].map((side) => Math.max(1, Math.round(side * scale)));
  }
  const canvas = new OffscreenCanvas(width, height);
  const pen = canvas.getContext('2d', { willReadFrequently: true });
  pen.fillStyle = 'white';
  pen.fillRect(0, 0, width, height);
  pen.imageSmoothingQuality = 'high';
  pen.drawImage(picture, ...middle(picture, [height, width]), 0, 0, width, height);
  const pixels = pen.getImageData(0, 0, width, height).data;
  const data = new Float32Array(height * width * channels);
  for (let k = 0; k < height * width; k += 1) {
    const [red, green, blue] = pixels.subarray(4 * k, 4 * k + 3);
    const seen = channels === 1 ? [(19595 * red + 38470 * green + 7471 * blue + 32768) >> 16] : [red, green, blue];
    seen.forEach((value, channel) => { data[k * channels + channel] = value / 127.5 - 1; });
  }
  return levelled({ shape: [1, height, width, channels], data }, tensor.levels || output.levels, tensor);
}

// each value at the nearest of evenly spaced levels, where a map takes these alone
function levelled(array, levels, { low = -1, high = 1 }) {
  if (!levels) return array;
  const step = (high - low) / (levels - 1);
  return { ...array, data: array.data.map((value) => low + Math.round((value - low) / step) * step) };
}

// the sound in a file, (1, samples), cut or followed by silence
async function soundIn(file, tensor) {
  const [samples] = tensor.shape;
  const decoder = new OfflineAudioContext(1, samples, tensor.rate || 16000);
  const sound = await decoder.decodeAudioData(await file.arrayBuffer());
  const data = new Float32Array(samples);
  data.set(sound.getChannelData(0).subarray(0, samples));
  return { shape: [1, samples], data: data.map((value) => Math.min(1, Math.max(-1, value))) };
}

export const readFile = (file, tensor, output) => (tensor.kind === 'audio' ? soundIn(file, tensor) : pictureIn(file, tensor, output));

// a mask that keeps the first part of what is given: the upper rows, the first samples
export function keeping(tensor, share) {
  const data = new Float32Array(sizeOf(tensor.shape));
  const unit = tensor.shape.length > 1 ? tensor.shape[1] : 1;
  const rows = tensor.shape[0];
  data.fill(1, 0, unit * Math.min(rows - 1, Math.max(1, Math.round(share * rows))));
  return { shape: [1, ...tensor.shape], data };
}
