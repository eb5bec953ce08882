/** Takes one picture from the camera, where the browser allows it. */

import { useEffect, useRef, useState } from "preact/hooks";
import { shrink } from "./image";

export function Camera({ onImage }: { onImage: (rgb: Uint8Array) => void }) {
  const video = useRef<HTMLVideoElement>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    let stream: MediaStream | undefined;
    let closed = false;
    const open = async () => {
      if (!navigator.mediaDevices) throw new Error("this browser gives no camera to a page from a file");
      stream = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 } });
      if (closed) return stop();
      video.current!.srcObject = stream;
      await video.current!.play();
    };
    const stop = () => stream?.getTracks().forEach((track) => track.stop());
    open().catch((error: Error) => setProblem(`No camera: ${error.message}. Choose an image file.`));
    return () => {
      closed = true;
      stop();
    };
  }, []);
  if (problem) return <p class="why" role="alert">{problem}</p>;
  return (
    <div class="camera">
      <video ref={video} muted playsInline aria-label="Camera" />
      <button type="button" class="primary" onClick={() => void shrink(video.current!).then(onImage, (error: Error) => setProblem(`No picture: ${error.message}.`))}>
        Take this picture
      </button>
    </div>
  );
}
