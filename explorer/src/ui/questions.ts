/** Questions that the picture answers: each a link into a state, and what to look at there. */

export interface Question {
  readonly key: string;
  readonly ask: string;
  readonly link: string;
  readonly look: string;
}

export const QUESTIONS: readonly Question[] = [
  {
    key: "34",
    ask: "Why 34?",
    link: "v=depthwise_separable&n=32&p=1&pp=1&c=1&f=1&x=ramp&w=blur&w1=ones&pin=o1.0.5.0",
    look:
      "S9Net's second block turns 32×32 into 34×34. Its 3×3 half with padding 1 keeps 32. Its 1×1 half is padded too, and a 1×1 kernel needs no padding: each side gains a row of sums over nothing but zeros. The pinned number, on the top edge, is one. Set pointwise_padding to 0 and the map is 32 again.",
  },
  {
    key: "output_padding",
    ask: "What does output_padding choose?",
    link: "v=transpose&n=4&op=1&w=count&pin=o0.7.7.0",
    look:
      "Stride 2 maps both 7 and 8 pixels to 4. A transposed convolution starts at 4 and must be told which of them to return to: output_padding 0 gives 7, output_padding 1 gives 8. It adds a row and a column at the end of the output, not zeros around it. Change it and watch the two sizes below the pictures.",
  },
  {
    key: "groups",
    ask: "What does groups do to the weights?",
    link: "c=4&f=4&g=2&n=4&k=2&pin=o0.0.0.0",
    look:
      "The kernels stand in columns, one for each output channel, with a slice beside each input channel. Move the groups slider: from 1 to 2 to 4 the slices off the diagonal blocks vanish. They are neither stored nor multiplied: 64, 32, 16 weights.",
  },
  {
    key: "quarter",
    ask: "Why do dilation 2 and stride 2 read a quarter of the pixels?",
    link: "v=dilated&n=10&s=2&uses=1&x=ones&w=ones&pin=o0.1.1.0",
    look:
      "Stride 2 starts the kernel on every second pixel, dilation 2 puts its weights two pixels apart: even plus even is even. The grid now shows how often each pixel is read: only one row in two and one column in two are ever read, a quarter of the image. Set the dilation to 1, or the stride, and the zeros fill, but for a last row and column that the stride may leave over.",
  },
  {
    key: "checkerboard",
    ask: "Where do checkerboards come from?",
    link: "v=transpose&n=4&k=3&s=2&p=1&uses=1&x=ones&w=ones&pin=o0.3.3.0",
    look:
      "Kernel 3 is no multiple of stride 2, so outputs get one, two or four contributions in turn. The output shows how many. Set the kernel to 4: inside, every number gets four.",
  },
  {
    key: "edges",
    ask: "How does a kernel find an edge?",
    link: "n=8&c=1&f=2&x=edge&w=edge&pin=o0.2.2.0",
    look:
      "Sobel's kernel subtracts left from right: it is silent where neighbours are alike and loud where they change. The second kernel looks from top to bottom and stays silent here.",
  },
];
