/** A person's own image: chosen, dropped, pasted or from the camera, reduced to 32x32 in the page. */

import { useEffect, useRef, useState } from "preact/hooks";
import { IMAGE_SIDE } from "../math/values";

/** RGB bytes, [32, 32, 3], of the middle square of the picture. */
export async function shrink(source: ImageBitmapSource): Promise<Uint8Array> {
  const bitmap = await createImageBitmap(source);
  const side = Math.min(bitmap.width, bitmap.height);
  const [left, top] = [(bitmap.width - side) / 2, (bitmap.height - side) / 2];
  let [width, from, x, y] = [side, bitmap as CanvasImageSource, left, top];
  // Halving again and again is a box filter: one large step would skip pixels.
  for (;;) {
    const next = Math.max(IMAGE_SIDE, Math.ceil(width / 2));
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = next;
    const context = canvas.getContext("2d", { willReadFrequently: true })!;
    context.imageSmoothingQuality = "high";
    context.fillStyle = "#fff";
    context.fillRect(0, 0, next, next);
    context.drawImage(from, x, y, width, width, 0, 0, next, next);
    if (next === IMAGE_SIDE) {
      const { data } = context.getImageData(0, 0, next, next);
      const rgb = new Uint8Array(IMAGE_SIDE * IMAGE_SIDE * 3);
      for (let i = 0; i < IMAGE_SIDE * IMAGE_SIDE; i++) rgb.set(data.subarray(4 * i, 4 * i + 3), 3 * i);
      return rgb;
    }
    [width, from, x, y] = [next, canvas, 0, 0];
  }
}

async function fromFile(file: File | undefined): Promise<Uint8Array> {
  if (!file?.type.startsWith("image/")) throw new Error(`${file?.name ?? "This"} is no image. Take a PNG, JPEG, WebP or GIF.`);
  try {
    return await shrink(file);
  } catch {
    throw new Error(`${file.name}: this browser cannot read the image. Take a PNG or a JPEG.`);
  }
}

/** Opens a file dialog, and takes what is dropped on or pasted into the page. */
export function useImages(onImage: (rgb: Uint8Array) => void) {
  const [message, say] = useState<string | null>(null);
  const latest = useRef(onImage);
  latest.current = onImage;
  const take = (file: File | undefined) => {
    say(null);
    fromFile(file).then((rgb) => latest.current(rgb), (error: Error) => say(error.message));
  };
  useEffect(() => {
    const over = (event: DragEvent) => event.preventDefault();
    const drop = (event: DragEvent) => {
      event.preventDefault();
      take(event.dataTransfer?.files[0]);
    };
    const paste = (event: ClipboardEvent) => {
      const file = [...(event.clipboardData?.files ?? [])].find((f) => f.type.startsWith("image/"));
      if (file) take(file);
    };
    addEventListener("dragover", over);
    addEventListener("drop", drop);
    addEventListener("paste", paste);
    return () => {
      removeEventListener("dragover", over);
      removeEventListener("drop", drop);
      removeEventListener("paste", paste);
    };
  }, []);
  const choose = () => {
    const input = document.createElement("input");
    input.type = "file";
    input.accept = "image/*";
    input.onchange = () => take(input.files?.[0]);
    input.click();
  };
  return { choose, message, take, say };
}
