// Drawn pictures of the products: a shape by category, colours by number.
const SVG = "http://www.w3.org/2000/svg";
const make = (name, attributes, parent) => {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  parent?.append(node);
  return node;
};
const SHAPES = {
  seating: (g, c, k) => {
    make("path", { d: `M70 ${80 - k * 4} q30 -14 60 0 l4 50 h-68 z`, fill: c }, g);
    make("rect", { x: 62, y: 128, width: 76, height: 14, rx: 7, fill: c }, g);
    for (const x of [68, 126]) make("rect", { x, y: 140, width: 6, height: 34 + k, fill: "#4a3b2f" }, g);
  },
  lighting: (g, c, k) => {
    make("rect", { x: 98, y: 30, width: 4, height: 50, fill: "#4a3b2f" }, g);
    make("path", { d: `M${82 - k} 78 h${36 + 2 * k} l24 52 h-${84 + 2 * k} z`, fill: c }, g);
    make("circle", { cx: 100, cy: 134, r: 13, fill: "#ffe9a8" }, g);
  },
  ceramics: (g, c, k) => {
    make("path", { d: `M84 60 h32 q-4 24 ${16 + k} 46 q14 40 -${24 + k} 62 h-16 q-${38 + k} -22 -${24 + k} -62 q${20 + k} -22 16 -46 z`, fill: c }, g);
    make("ellipse", { cx: 100, cy: 60, rx: 16, ry: 5, fill: "#0003" }, g);
  },
  textiles: (g, c, k) => {
    make("rect", { x: 52, y: 62, width: 96, height: 96, rx: 6 + 2 * k, fill: c }, g);
    for (let i = 0; i < 5; i++) make("rect", { x: 52, y: 74 + i * 17, width: 96, height: 3 + (k % 3), fill: "#fff6" }, g);
  },
  plants: (g, c, k) => {
    make("path", { d: "M76 132 h48 l-6 42 h-36 z", fill: "#b5643c" }, g);
    for (let i = -2; i <= 2; i++) make("ellipse", { cx: 100 + i * (12 + k), cy: 98 - (2 - Math.abs(i)) * 14, rx: 9, ry: 32, fill: c, transform: `rotate(${i * 20} 100 132)` }, g);
  },
  desk: (g, c, k) => {
    make("rect", { x: 48, y: 92, width: 104, height: 64, rx: 8, fill: c }, g);
    make("rect", { x: 58, y: 102, width: 40 + k * 2, height: 44, rx: 4, fill: "#fff5" }, g);
    make("circle", { cx: 128, cy: 124, r: 12, fill: "#fff8" }, g);
  },
};

export function picture(number, category) {
  const hue = (number * 47 + 20) % 360;
  const svg = make("svg", { viewBox: "0 0 200 200", preserveAspectRatio: "xMidYMid slice", role: "img", "aria-hidden": "true" });
  make("rect", { width: 200, height: 200, fill: `hsl(${(hue + 30) % 360} 28% 90%)` }, svg);
  make("ellipse", { cx: 100, cy: 176, rx: 62, ry: 9, fill: "#0001" }, svg);
  (SHAPES[category] || SHAPES.desk)(make("g", {}, svg), `hsl(${hue} 34% 52%)`, number % 6);
  return svg;
}
