/** The picture as one SVG that any program reads: every style is written out. */

const SVG = "http://www.w3.org/2000/svg";
const STYLES = ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "font-family", "font-size", "font-weight", "text-anchor", "text-decoration", "display"];

export function pictureSvg(picture: HTMLElement): string {
  const frame = picture.getBoundingClientRect();
  const margin = 16;
  const [width, height] = [frame.width + 2 * margin, frame.height + 2 * margin];
  const root = document.createElementNS(SVG, "svg");
  root.setAttribute("xmlns", SVG);
  root.setAttribute("viewBox", `0 0 ${round(width)} ${round(height)}`);
  root.setAttribute("width", String(round(width)));
  root.setAttribute("height", String(round(height)));
  const paper = document.createElementNS(SVG, "rect");
  paper.setAttribute("width", "100%");
  paper.setAttribute("height", "100%");
  paper.setAttribute("fill", plainColour(getComputedStyle(document.body).backgroundColor));
  root.append(paper);
  const offset = (box: DOMRect) => [round(box.left - frame.left + margin), round(box.top - frame.top + margin)] as const;
  for (const drawn of picture.querySelectorAll<SVGSVGElement>("svg")) {
    const box = drawn.getBoundingClientRect();
    const [x, y] = offset(box);
    const copy = drawn.cloneNode(true) as SVGSVGElement;
    inline(drawn, copy);
    for (const name of ["tabindex", "role", "style", "class"]) copy.removeAttribute(name);
    copy.setAttribute("x", String(x));
    copy.setAttribute("y", String(y));
    copy.setAttribute("width", String(round(box.width)));
    copy.setAttribute("height", String(round(box.height)));
    copy.setAttribute("overflow", "visible");
    root.append(copy);
  }
  for (const { words, box, element } of textLines(picture)) {
    const style = getComputedStyle(element);
    const text = document.createElementNS(SVG, "text");
    const [x, y] = offset(box);
    text.setAttribute("x", String(x));
    text.setAttribute("y", String(round(y + 0.78 * box.height)));
    text.setAttribute("fill", plainColour(style.color));
    text.setAttribute("font-family", style.fontFamily);
    text.setAttribute("font-size", style.fontSize);
    text.setAttribute("font-weight", style.fontWeight);
    text.textContent = words;
    root.append(text);
  }
  return new XMLSerializer().serializeToString(root);
}

/** The text around the drawings, line by line as the browser has broken it. */
function* textLines(picture: HTMLElement) {
  const walker = document.createTreeWalker(picture, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  while (walker.nextNode()) {
    const node = walker.currentNode as Text;
    const element = node.parentElement!;
    if (element.closest("svg")) continue;
    let line: { words: string; box: DOMRect; element: HTMLElement } | null = null;
    for (const found of node.data.matchAll(/\S+/g)) {
      range.setStart(node, found.index);
      range.setEnd(node, found.index + found[0].length);
      const box = range.getBoundingClientRect();
      if (line && Math.abs(line.box.top - box.top) < 2) line.words += ` ${found[0]}`;
      else {
        if (line) yield line;
        line = { words: found[0], box, element };
      }
    }
    if (line) yield line;
  }
}

function inline(from: Element, to: Element): void {
  const style = getComputedStyle(from);
  for (const name of STYLES) {
    const value = style.getPropertyValue(name);
    if (value) to.setAttribute(name, name === "fill" || name === "stroke" ? plainColour(value) : value);
  }
  to.removeAttribute("class");
  for (let i = 0; i < from.children.length; i++) inline(from.children[i], to.children[i]);
}

/** `color(srgb 0.5 0.5 0.5)` is what mixed colours compute to, and few programs read it. */
function plainColour(colour: string): string {
  const found = /^color\(srgb ([\d.e-]+) ([\d.e-]+) ([\d.e-]+)/.exec(colour);
  return found ? `rgb(${found.slice(1).map((part) => Math.round(255 * Number(part))).join(", ")})` : colour;
}

const round = (value: number): number => Math.round(value * 10) / 10;

export async function svgToPng(svg: string): Promise<Blob> {
  const image = new Image();
  const address = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
  try {
    image.src = address;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = 2 * image.width;
    canvas.height = 2 * image.height;
    canvas.getContext("2d")!.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((done, fail) =>
      canvas.toBlob((blob) => (blob ? done(blob) : fail(new Error("The picture is too large for a PNG: save it as SVG."))), "image/png"),
    );
  } finally {
    URL.revokeObjectURL(address);
  }
}

export function download(name: string, blob: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
