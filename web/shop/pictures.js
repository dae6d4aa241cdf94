// Drawn pictures of the products: one drawing for each kind of thing, in the colours of its series.
//
// A drawing stands on a floor line at y = 172 of a box of 200 by 200; light comes from the upper left.
const SVG = "http://www.w3.org/2000/svg";
const make = (name, attributes, parent) => {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  parent?.append(node);
  return node;
};

// Main colour, second colour, wall, floor: by series.
const SERIES = [
  ["#b5643c", "#e4c7a3", "#f1e7da", "#e2d3bf"],
  ["#5f7f6d", "#d9cfae", "#e8ece2", "#d3dac9"],
  ["#40597a", "#d7a86e", "#e6ebf0", "#cfd8e0"],
  ["#c3963b", "#6d5a3a", "#f4ecd8", "#e6d8b6"],
  ["#7a4b60", "#d8b9b5", "#f1e6e6", "#e2cfcf"],
  ["#4a6d78", "#e0c89b", "#e5eded", "#cddada"],
  ["#a3544a", "#e7cdb5", "#f3e6e0", "#e4d0c6"],
  ["#6b7349", "#cbb68c", "#ecece0", "#d9dac4"],
  ["#8c6a4f", "#c9b7a0", "#efe8df", "#ddd1c2"],
  ["#4f5560", "#c98f62", "#eaebec", "#d5d8da"],
];
const WOOD = "#9a6f4b";
const BARK = "#6b4a33";
const LEAF = ["#4d7350", "#6b8f5e", "#3c5c46"];
const BRASS = "#b8935a";
const GLOW = "#ffe6a3";

// A colour, lighter (above 0) or darker (below).
const tone = (hex, by) => {
  const to = by > 0 ? 255 : 20;
  const part = (at) => {
    const from = parseInt(hex.slice(at, at + 2), 16);
    return Math.round(from + (to - from) * Math.abs(by)).toString(16).padStart(2, "0");
  };
  return `#${part(1)}${part(3)}${part(5)}`;
};

// A pen on a group.
const pen = (g) => ({
  path: (d, fill, more = {}) => make("path", { d, fill, ...more }, g),
  line: (d, stroke, width = 4, more = {}) =>
    make("path", { d, fill: "none", stroke, "stroke-width": width, "stroke-linecap": "round", "stroke-linejoin": "round", ...more }, g),
  box: (x, y, width, height, fill, rx = 0, more = {}) => make("rect", { x, y, width, height, fill, rx, ...more }, g),
  oval: (cx, cy, rx, ry, fill, more = {}) => make("ellipse", { cx, cy, rx, ry, fill, ...more }, g),
  shadow: (cx, rx, cy = 172) => make("ellipse", { cx, cy, rx, ry: rx * 0.13, fill: "#2a1f1426" }, g),
});

// A pot whose rim is at y, and the earth in it.
const pot = (p, c, y, half, low) => {
  p.path(`M${100 - half} ${y} L${100 - low} 168 Q100 177 ${100 + low} 168 L${100 + half} ${y} Z`, c);
  p.path(`M${100 + half * 0.25} ${y + 3} L${100 + low * 0.3} 172 Q${100 + low * 0.7} 171 ${100 + low} 168 L${100 + half} ${y} Z`, tone(c, -0.16));
  p.oval(100, y, half, half * 0.24, tone(c, 0.18));
  p.oval(100, y + 1, half - 4, half * 0.24 - 2, "#4a3526");
};
// A leaf from a point, by angle in degrees and length.
const leaf = (p, x, y, angle, long, wide, fill) =>
  p.path(`M0 0 Q${wide} ${-long * 0.45} 0 ${-long} Q${-wide} ${-long * 0.45} 0 0 Z`, fill, { transform: `translate(${x} ${y}) rotate(${angle})` });

const DRAW = {
  Chair(p, c, d, k) {
    p.shadow(100, 52);
    for (const [x, to] of [[70, 74], [130, 126]]) p.line(`M${x} 116 L${to} 160`, BARK, 5);
    p.line("M68 56 L66 120 M132 56 L134 120", WOOD, 6);
    if (k % 2) p.path("M66 54 Q100 44 134 54 L133 92 Q100 84 67 92 Z", c);
    else for (const y of [58, 74, 90]) p.line(`M68 ${y} Q100 ${y - 8} 132 ${y}`, WOOD, 7);
    p.path("M66 112 H134 L146 128 H54 Z", tone(c, 0.12));
    p.path("M54 128 H146 V135 Q100 140 54 135 Z", tone(c, -0.14));
    p.line("M58 136 L54 170 M142 136 L146 170", WOOD, 6);
  },
  Bench(p, c, d, k) {
    p.shadow(100, 84);
    p.line("M42 124 L46 158 M158 124 L154 158", BARK, 6);
    p.path("M36 110 H164 L182 126 H18 Z", tone(WOOD, 0.18));
    p.path("M18 126 H182 V134 H18 Z", WOOD);
    p.line("M28 134 L24 170 M172 134 L176 170", WOOD, 7);
    p.path(`M44 98 Q44 92 52 92 H${k % 2 ? 148 : 110} Q${k % 2 ? 156 : 118} 92 ${k % 2 ? 158 : 119} 98 L${k % 2 ? 166 : 123} 116 Q100 121 36 116 Z`, c);
    p.path(`M36 116 Q100 121 ${k % 2 ? 166 : 123} 116 v5 Q100 126 36 121 Z`, tone(c, -0.2));
    if (!(k % 2)) p.path("M128 80 q17 -7 34 0 q-2 15 3 31 q-20 5 -40 0 q5 -16 3 -31 z", d);
  },
  Stool(p, c, d, k) {
    p.shadow(100, 44);
    p.line("M100 96 L100 156", BARK, 6);
    p.line("M80 96 L64 170 M120 96 L136 170", WOOD, 7);
    p.line(`M70 ${138 + k} Q100 ${148 + k} 130 ${138 + k}`, BRASS, 4);
    p.path("M58 84 V92 Q100 110 142 92 V84 Z", tone(c, -0.18));
    p.oval(100, 84, 42, 12, c);
    p.oval(94, 82, 26, 6, tone(c, 0.14));
  },
  Rocker(p, c, d) {
    p.shadow(100, 66);
    p.line("M38 152 Q96 190 164 150", BARK, 6);
    p.line("M66 124 L60 166 M128 124 L136 166", WOOD, 6);
    p.path("M54 44 Q66 36 78 44 L96 116 Q84 124 72 120 Z", c);
    p.path("M54 44 Q60 40 64 42 L82 120 Q76 122 72 120 Z", tone(c, -0.18));
    p.path("M72 112 Q110 104 140 112 L144 124 Q110 130 76 126 Z", tone(c, 0.14));
    p.path("M76 126 Q110 130 144 124 v6 Q110 136 78 132 Z", tone(c, -0.2));
    p.line("M70 92 Q100 82 130 92 L134 114", WOOD, 6);
  },
  Armchair(p, c, d) {
    p.shadow(100, 70);
    p.line("M58 154 L54 171 M142 154 L146 171", BARK, 7);
    p.path("M52 70 Q56 44 100 44 Q144 44 148 70 L146 130 H54 Z", tone(c, -0.1));
    p.path("M62 74 Q66 54 100 54 Q134 54 138 74 L136 116 H64 Z", tone(c, 0.06));
    p.path("M60 112 Q100 104 140 112 V134 H60 Z", tone(c, 0.18));
    p.path("M60 132 H140 V152 Q100 158 60 152 Z", tone(c, -0.2));
    p.box(36, 94, 27, 62, c, 13);
    p.box(137, 94, 27, 62, tone(c, -0.14), 13);
    p.path("M82 88 q20 -12 34 2 l-2 24 q-16 6 -32 0 z", d);
  },
  Pendant(p, c, d, k) {
    p.line("M100 -60 V58", "#3b332c", 2.5);
    p.path("M92 56 h16 l3 12 h-22 z", BRASS);
    p.oval(100, 128, 60, 20, GLOW, { opacity: 0.5 });
    if (k % 2) p.path("M90 66 Q100 62 110 66 Q146 78 156 122 Q100 138 44 122 Q54 78 90 66 Z", c);
    else p.path("M88 66 h24 L150 122 Q100 138 50 122 Z", c);
    p.path(k % 2 ? "M104 64 Q146 76 156 122 Q138 127 116 129 Q124 92 104 64 Z" : "M104 66 h8 L150 122 Q134 127 114 129 Z", tone(c, -0.18));
    p.oval(100, 122, k % 2 ? 56 : 50, 9, GLOW);
    p.oval(100, 124, 13, 8, "#fffaf0");
  },
  Sconce(p, c, d, k) {
    p.oval(100, 84, 66, 62, GLOW, { opacity: 0.55 });
    p.box(88, 104, 24, 46, tone(BRASS, -0.1), 12);
    p.box(88, 104, 12, 46, BRASS, 6);
    p.line("M100 124 Q128 124 128 104", BRASS, 6);
    p.path(k % 2 ? "M104 68 Q128 48 152 68 L146 104 Q128 110 110 104 Z" : "M112 58 h32 l12 46 Q128 112 100 104 Z", c);
    p.path(k % 2 ? "M132 55 Q142 58 152 68 L146 104 Q140 107 133 108 Z" : "M132 58 h12 l12 46 q-10 4 -20 5 z", tone(c, -0.18));
    p.oval(128, k % 2 ? 66 : 58, k % 2 ? 21 : 16, 5, "#fff6da");
  },
  Lantern(p, c, d) {
    p.shadow(100, 42);
    p.line("M78 62 Q100 18 122 62", BARK, 4);
    p.path("M72 76 L100 52 L128 76 Z", c);
    p.path("M100 52 L128 76 H104 Z", tone(c, -0.2));
    p.box(74, 76, 52, 78, GLOW, 3, { opacity: 0.75 });
    p.box(90, 116, 20, 38, "#fbf5e6", 3);
    p.path("M100 92 q9 12 0 22 q-9 -10 0 -22 z", "#f0a048");
    p.line("M75 76 V156 M125 76 V156 M100 76 V92", tone(c, -0.1), 5);
    p.path("M66 154 h68 v10 q-34 8 -68 0 z", c);
    p.path("M104 154 h30 v10 q-14 4 -30 4 z", tone(c, -0.2));
  },
  Lamp(p, c, d, k) {
    p.shadow(100, 46);
    p.oval(100, 112, 74, 40, GLOW, { opacity: 0.35 });
    const base = k % 2 ? "M84 112 Q64 134 78 168 Q100 176 122 168 Q136 134 116 112 Z" : "M92 108 h16 l4 36 Q134 154 132 168 Q100 177 68 168 Q66 154 88 144 Z";
    p.path(base, d);
    p.path(k % 2 ? "M104 112 h12 Q136 134 122 168 Q114 171 106 172 Q120 140 104 112 Z" : "M102 108 h6 l4 36 Q134 154 132 168 Q120 172 108 173 Q112 150 102 108 Z", tone(d, -0.16));
    p.line("M100 112 V92", BRASS, 5);
    p.path("M74 40 H126 L148 98 Q100 112 52 98 Z", c);
    p.path("M106 40 H126 L148 98 Q130 104 112 105 Z", tone(c, -0.16));
    p.oval(100, 40, 26, 5, tone(c, 0.3));
  },
  Spot(p, c, d) {
    p.shadow(92, 44);
    p.oval(92, 164, 34, 9, tone(c, -0.25));
    p.oval(92, 160, 34, 9, c);
    p.line("M92 160 L68 96 L122 62", BARK, 6);
    p.oval(68, 96, 6, 6, BRASS);
    p.path("M150 92 L176 156 L106 144 Z", GLOW, { opacity: 0.6 });
    p.path("M104 52 q10 -14 26 -8 l34 34 q-12 26 -40 26 z", c);
    p.path("M138 50 l26 28 q-12 26 -40 26 l-5 -14 q20 -8 19 -40 z", tone(c, -0.18));
    p.oval(143, 92, 25, 11, "#fff3cd", { transform: "rotate(-38 143 92)" });
  },
  Mug(p, c, d, k) {
    p.shadow(96, 50);
    p.line("M132 100 Q168 98 164 124 Q160 148 130 146", tone(c, -0.12), 11);
    p.path(`M52 86 L${56 + k} 158 Q94 178 ${132 - k} 158 L136 86 Z`, c);
    p.path(`M112 88 L110 168 Q124 165 ${132 - k} 158 L136 86 Z`, tone(c, -0.14));
    p.path(`M53 ${112 - k} Q94 ${128 - k} 135 ${112 - k} L134 ${126 - k} Q94 ${142 - k} 54 ${126 - k} Z`, d);
    p.oval(94, 86, 42, 12, tone(c, 0.2));
    p.oval(94, 88, 36, 9, "#4b3323");
  },
  Vase(p, c, d, k) {
    p.shadow(100, 44);
    for (const [x, y, turn] of [[92, 24, -12], [104, 15, 4], [112, 30, 18]]) {
      p.line(`M100 66 Q${(100 + x) / 2} 50 ${x} ${y + 16}`, LEAF[2], 2.5);
      leaf(p, x, y + 20, turn, 22, 9, LEAF[x % 3]);
    }
    p.path(k % 2 ? "M86 62 Q90 84 66 104 Q46 134 74 168 Q100 177 126 168 Q154 134 134 104 Q110 84 114 62 Z" : "M84 62 Q86 96 70 124 Q62 150 78 168 Q100 176 122 168 Q138 150 130 124 Q114 96 116 62 Z", c);
    p.path(k % 2 ? "M106 63 h8 Q110 84 134 104 Q154 134 126 168 Q116 172 108 173 Q134 130 106 63 Z" : "M106 63 h10 Q114 96 130 124 Q138 150 122 168 Q114 172 106 173 Q124 130 106 63 Z", tone(c, -0.16));
    p.oval(100, 62, k % 2 ? 14 : 16, 4.5, tone(c, 0.2));
    p.oval(100, 62.5, k % 2 ? 10 : 12, 3, "#3c2f26");
    p.line("M100 66 V60", LEAF[2], 3);
  },
  Plate(p, c, d) {
    p.shadow(100, 78, 168);
    for (const [y, fill] of [[158, tone(c, -0.2)], [150, d], [142, tone(c, -0.1)]]) {
      p.oval(100, y + 5, 70, 19, tone(fill, -0.2));
      p.oval(100, y, 70, 19, fill);
    }
    p.oval(100, 132, 76, 22, tone(c, -0.14));
    p.oval(100, 128, 76, 22, c);
    p.oval(100, 128, 52, 14, tone(c, 0.2));
    p.oval(94, 126, 36, 8, tone(c, 0.3));
  },
  Bowl(p, c, d, k) {
    p.shadow(100, 50);
    p.box(80, 158, 40, 13, tone(c, -0.25), 5);
    p.path("M36 106 Q42 160 100 164 Q158 160 164 106 Z", c);
    p.path("M118 112 Q122 150 100 164 Q158 160 164 106 Z", tone(c, -0.15));
    p.oval(100, 106, 64, 18, tone(c, 0.2));
    p.oval(100, 108, 57, 14, tone(d, -0.06));
    if (k % 2) for (const [x, y, fill] of [[82, 98, "#d98f3f"], [108, 94, "#c9652f"], [124, 103, "#dca550"]]) p.oval(x, y, 16, 14, fill);
  },
  Jug(p, c, d) {
    p.shadow(98, 46);
    p.line("M132 78 Q172 76 158 124 Q152 140 132 142", tone(c, -0.12), 10);
    p.path("M66 60 L48 52 Q58 74 68 84 Q48 120 66 164 Q98 177 130 164 Q150 118 132 84 L132 60 Z", c);
    p.path("M112 64 Q112 84 118 96 Q130 130 110 171 Q122 168 130 164 Q150 118 132 84 L132 60 Z", tone(c, -0.15));
    p.path("M132 60 Q98 72 66 60 L48 52 Q98 44 132 60 Z", tone(c, 0.2));
    p.path("M122 60 Q96 66 72 60 L60 55 Q98 51 122 60 Z", "#4a3a2e");
    p.line("M60 128 Q98 140 136 128", d, 5);
  },
  Curtain(p, c, d, k) {
    p.box(56, 30, 88, 120, "#fdfaf1");
    p.line("M100 32 V150 M56 90 H144", tone(d, 0.1), 3);
    for (const side of [0, 1])
      for (let fold = 0; fold < 4; fold++) {
        const x = side ? 124 + fold * 13 : 24 + fold * 13;
        p.path(`M${x} 24 h13 l${side ? 2 : -2} 148 q-6 4 -13 0 z`, tone(c, fold % 2 ? -0.14 : 0.1));
      }
    if (k % 2) p.line("M22 122 Q50 134 78 122 M122 122 Q150 134 178 122", d, 5);
    p.line("M12 22 H188", BARK, 5);
    p.oval(12, 22, 6, 6, BRASS);
    p.oval(188, 22, 6, 6, BRASS);
  },
  Cushion(p, c, d, k) {
    p.shadow(100, 66);
    p.path("M40 62 Q100 76 158 60 Q148 116 162 168 Q100 160 38 170 Q52 116 40 62 Z", c);
    p.path("M130 68 Q146 65 158 60 Q148 116 162 168 Q140 164 118 163 Q136 116 130 68 Z", tone(c, -0.13));
    if (k % 2) for (const y of [88, 108, 128, 148]) p.line(`M52 ${y} Q100 ${y + 7} 146 ${y - 2}`, d, 5);
    else for (const [x, y] of [[76, 92], [120, 90], [98, 116], [74, 140], [122, 140]]) p.path(`M${x} ${y - 9} l8 9 l-8 9 l-8 -9 z`, d);
    for (const [x, y] of [[40, 62], [158, 60], [162, 168], [38, 170]]) p.oval(x, y, 5, 5, tone(d, -0.15));
  },
  Runner(p, c, d, k) {
    for (let x = 0; x < 12; x++) p.line(`M${34 + x * 12} 172 l${(x - 6) * 0.6} 10`, tone(d, -0.1), 3);
    p.path("M78 52 H122 L170 172 H30 Z", c);
    p.path("M82 62 H118 L157 164 H43 Z", "none", { stroke: d, "stroke-width": 4 });
    for (let n = 0; n < 4; n++) {
      const [y, half] = [84 + n * 24, 12 + n * 6];
      p.path(`M${100 - half} ${y} L100 ${y - 8 - n} L${100 + half} ${y} L100 ${y + 8 + n} Z`, n % 2 ^ k % 2 ? d : tone(c, -0.25));
    }
  },
  Rug(p, c, d, k) {
    p.oval(100, 137, 90, 38, "#2a1f1420");
    p.oval(100, 132, 90, 38, c);
    p.oval(100, 132, 74, 30, tone(c, 0.2));
    p.oval(100, 132, 62, 25, k % 2 ? d : c);
    p.oval(100, 132, 40, 15, tone(c, 0.2));
    p.oval(100, 132, 22, 8, k % 2 ? c : d);
  },
  Throw(p, c, d, k) {
    p.shadow(100, 70);
    for (let x = 0; x < 15; x++) p.line(`M${40 + x * 8.5} 158 v11`, tone(d, -0.05), 3);
    p.path("M36 118 Q36 108 46 108 H158 Q166 108 166 118 V158 H36 Z", tone(c, -0.12));
    p.path("M36 90 Q36 80 46 80 H154 Q164 80 164 92 Q164 112 152 112 H46 Q36 112 36 104 Z", c);
    p.path("M38 98 Q38 110 48 112 H152 Q164 112 164 92 Q160 102 150 102 H50 Q40 102 38 98 Z", tone(c, -0.2));
    for (const x of k % 2 ? [62, 74, 126] : [58, 98, 138]) {
      p.line(`M${x} 80 V102`, d, 6);
      p.line(`M${x} 114 V157`, tone(d, -0.08), 6);
    }
    p.line("M38 132 H164", d, 5);
  },
  Ivy(p, c) {
    p.shadow(100, 42);
    pot(p, c, 112, 36, 26);
    for (const [d, spots] of [
      ["M92 112 Q52 96 44 160", [[70, 104], [54, 122], [46, 144], [45, 162]]],
      ["M108 112 Q150 92 158 150", [[130, 102], [148, 118], [157, 138], [158, 154]]],
      ["M98 112 Q84 70 70 56", [[90, 92], [80, 74], [70, 58]]],
      ["M102 112 Q118 74 134 62", [[110, 92], [122, 74], [134, 62]]],
      ["M100 112 V58", [[100, 88], [97, 68], [102, 52]]],
    ]) {
      p.line(d, LEAF[2], 2.5);
      spots.forEach(([x, y], n) => p.path(`M${x} ${y + 9} q-15 -7 -10 -17 q6 -4 10 2 q4 -6 10 -2 q5 10 -10 17 z`, LEAF[(n + x) % 3]));
    }
  },
  Cactus(p, c, d, k) {
    p.shadow(100, 40);
    pot(p, c, 130, 34, 25);
    const tall = 38 + k * 2;
    p.line("M82 108 H62 V78", LEAF[0], 17);
    if (k % 2) p.line("M118 96 H138 V64", LEAF[2], 15);
    p.line(`M100 128 V${tall}`, LEAF[0], 36);
    p.line(`M106 128 V${tall}`, LEAF[2], 12, { opacity: 0.5 });
    for (const x of [90, 100, 111]) p.line(`M${x} 126 V${tall - 4}`, "#d8e2c4", 1.5, { "stroke-dasharray": "1 7" });
    p.oval(100, tall - 19, 9, 7, "#e38b7c");
    p.oval(62, 69, 5, 4, "#e38b7c");
  },
  Fern(p, c, d, k, g) {
    p.shadow(100, 44);
    for (const [angle, long] of [[-78, 74], [-52, 88], [-26, 98], [0, 104], [26, 98], [52, 88], [78, 74]]) {
      const q = pen(make("g", { transform: `translate(100 122) rotate(${angle})` }, g));
      const bend = angle / 4;
      q.line(`M0 0 Q0 ${-long * 0.6} ${bend} ${-long}`, LEAF[2], 2.5);
      for (let n = 1; n < 9; n++) {
        const [y, x] = [-(n / 9) * long, bend * (n / 9) ** 2];
        const size = 20 * (1 - n / 11);
        for (const side of [-1, 1]) leaf(q, x, y, side * 62, size, 4.5, LEAF[n % 2]);
      }
    }
    pot(p, c, 122, 34, 24);
  },
  Palm(p, c, d, k) {
    p.shadow(100, 42);
    for (const [x, y, turn] of [[58, 62, -46], [80, 36, -20], [104, 22, 2], [128, 40, 24], [146, 68, 50]]) {
      p.line(`M100 128 Q${(100 + x) / 2 + 4} ${y + 46} ${x} ${y + 16}`, LEAF[2], 3);
      for (let n = -3; n <= 3; n++) leaf(p, x, y + 18, turn + n * (17 + k), 38 - Math.abs(n) * 3, 5.5, LEAF[(n + 3) % 3]);
    }
    pot(p, c, 128, 32, 26);
  },
  Ficus(p, c) {
    p.shadow(100, 40);
    p.line("M100 134 Q94 108 100 84 M99 112 Q112 98 122 84 M98 104 Q84 92 78 80", BARK, 5);
    for (const [x, y, n] of [[100, 78, 0], [78, 82, 1], [124, 84, 2], [66, 66, 0], [90, 62, 1], [114, 62, 2], [138, 68, 0], [80, 48, 2], [102, 44, 0], [124, 48, 1], [100, 28, 2], [60, 88, 2], [142, 88, 1]])
      for (const turn of [-38, 6, 44]) leaf(p, x, y + 10, turn, 27, 12, tone(LEAF[n], turn / 400));
    pot(p, c, 134, 31, 24);
  },
  Tray(p, c, d, k) {
    p.shadow(100, 86, 168);
    p.path("M52 108 H148 L184 158 H16 Z", tone(c, 0.12));
    p.path("M60 114 H140 L168 151 H32 Z", tone(c, -0.14));
    p.path("M16 158 H184 V168 H16 Z", tone(c, -0.24));
    p.path("M62 124 h40 l6 20 h-54 z", "#fdfaf1");
    p.line("M66 130 h30 M64 136 h34", tone(d, -0.1), 2);
    if (k % 2) p.line("M118 144 L140 112", "#d9a441", 5);
    p.oval(132, 136, 14, 6, d);
    p.path("M118 118 h28 v18 q-14 6 -28 0 z", d);
    p.oval(132, 118, 14, 5, tone(d, 0.25));
    p.oval(132, 118, 10, 3, "#3f3026");
  },
  Organiser(p, c, d, k) {
    p.shadow(100, 64);
    for (const [x, y, colour, turn] of [[66, 40, "#d9a441", -6], [78, 52, "#40597a", 3], [88, 46, "#b5643c", 8]]) p.box(x, y, 6, 70, colour, 2, { transform: `rotate(${turn} ${x} 110)` });
    p.path("M50 96 H104 V168 H50 Z", c);
    p.path("M104 96 L112 90 V162 L104 168 Z", tone(c, -0.25));
    p.path("M50 96 L58 90 H112 L104 96 Z", tone(c, 0.22));
    p.path("M104 122 H156 V168 H104 Z", tone(c, 0.08));
    p.path("M156 122 L164 116 V162 L156 168 Z", tone(c, -0.25));
    p.path("M104 122 L112 116 H164 L156 122 Z", tone(c, 0.25));
    p.box(112, k % 2 ? 132 : 140, 36, 3, tone(c, -0.3), 1.5);
    p.oval(130, 152, 4, 4, BRASS);
    p.path("M118 116 l4 -18 h22 l4 18 z", "#fdfaf1");
    p.path("M118 116 l30 0 l1 4 h-32 z", d);
  },
  Clock(p, c, d, k) {
    p.shadow(100, 50);
    p.line("M72 150 L62 170 M128 150 L138 170", BARK, 7);
    p.oval(104, 104, 60, 60, tone(c, -0.25));
    p.oval(100, 104, 60, 60, c);
    p.oval(100, 104, 49, 49, "#fdfaf1");
    for (let hour = 0; hour < 12; hour++) p.line("M100 62 V68", hour % 3 ? tone(d, -0.1) : "#3b332c", hour % 3 ? 2.5 : 4, { transform: `rotate(${hour * 30} 100 104)` });
    p.line("M100 104 V80", "#3b332c", 5, { transform: `rotate(${305 + k * 8} 100 104)` });
    p.line("M100 104 V68", "#3b332c", 3.5, { transform: `rotate(${55 + k * 12} 100 104)` });
    p.oval(100, 104, 5, 5, c);
  },
  Board(p, c, d, k) {
    p.box(25, 33, 154, 116, "#2a1f1422", 4);
    p.box(22, 28, 156, 116, WOOD, 4);
    p.box(29, 35, 142, 102, k % 2 ? "#d9bd91" : c, 2);
    for (const [x, y, wide, high, fill, turn] of [[42, 48, 40, 34, "#fdfaf1", -4], [94, 46, 30, 40, d, 3], [134, 52, 26, 26, "#f0dba8", 6], [48, 92, 32, 32, "#dfe6e4", 4], [92, 98, 62, 26, "#fdfaf1", -2]]) {
      p.box(x, y, wide, high, fill, 1, { transform: `rotate(${turn} ${x} ${y})` });
      p.oval(x + wide / 2, y + 4, 3, 3, "#b5463c");
    }
    p.line("M50 62 h24 M50 69 h18 M100 108 h44 M100 115 h30", "#8d8478", 2);
  },
  Shelf(p, c, d, k) {
    p.line("M52 148 V166 L74 148 M148 148 V166 L126 148", BARK, 4);
    p.box(22, 138, 156, 11, WOOD, 2);
    p.box(22, 138, 156, 4, tone(WOOD, 0.25), 2);
    let x = 32;
    for (const [wide, high, fill] of [[11, 62, c], [9, 54, d], [13, 70, tone(c, -0.2)], [10, 58, "#40597a"], [12, 64, tone(d, -0.2)]]) {
      p.box(x, 138 - high, wide, high, fill, 1.5);
      p.box(x + 2, 146 - high, wide - 4, 4, "#fff7", 1);
      x += wide + 1;
    }
    p.box(x + 4, 82, 10, 58, tone(c, 0.2), 1.5, { transform: `rotate(-14 ${x + 4} 138)` });
    p.path("M132 138 Q122 118 138 106 V96 h12 v10 Q166 118 156 138 Z", d);
    p.path("M146 96 h4 v10 Q166 118 156 138 h-10 Q156 118 146 96 Z", tone(d, -0.18));
    for (const turn of [-26, 2, 28]) leaf(p, 144, 98, turn, 32 + k, 8, LEAF[(turn + 26) % 3]);
  },
};

// Things on a wall need no floor beneath.
const ON_A_WALL = ["Sconce", "Board", "Shelf", "Pendant", "Curtain"];

/// A product of a series by kind; as a picture of its own, or into a group of another.
const draw = (g, kind, series) => {
  const [main, second] = SERIES[series % SERIES.length];
  DRAW[kind](pen(g), main, second, series, g);
};

export function picture(number, name) {
  const kind = name.split(" ").at(-1);
  const series = Math.floor(number / 6);
  const [, , wall, floor] = SERIES[series % SERIES.length];
  const svg = make("svg", { viewBox: "0 0 200 200", role: "img", "aria-hidden": "true" });
  make("rect", { x: -300, y: -300, width: 800, height: 800, fill: wall }, svg);
  if (!ON_A_WALL.includes(kind)) make("rect", { x: -300, y: 150, width: 800, height: 400, fill: floor }, svg);
  draw(make("g", {}, svg), kind, series);
  return svg;
}

// A room: things with their place and size, before a wall with a window.
const ROOMS = {
  brand: { wall: "#dfe5d8", floor: "#c9b596", window: true, things: [["Rug", 1, 128, 60, 1.5], ["Armchair", 0, 96, 8, 1.05], ["Lamp", 3, 300, 26, 0.86], ["Palm", 7, 6, -8, 1.08], ["Pendant", 2, 236, -64, 0.7]] },
  new: { wall: "#f0dcc8", floor: "#c79f7c", things: [["Shelf", 4, 40, -50, 1.15], ["Jug", 6, 20, 56, 0.72], ["Bowl", 3, 128, 58, 0.72], ["Vase", 5, 236, 14, 0.95], ["Mug", 1, 318, 74, 0.56]] },
  guide: { wall: "#dbe3ea", floor: "#aeb9c2", things: [["Board", 8, 112, -34, 0.95], ["Chair", 2, 20, 8, 0.98], ["Stool", 3, 196, 30, 0.86], ["Clock", 6, 240, 32, 0.42], ["Fern", 9, 316, 30, 0.84]] },
  remind: { wall: "#ecdcdd", floor: "#c3a3a0", things: [["Curtain", 4, 198, -38, 1.15], ["Bench", 6, 10, 14, 1.06], ["Cushion", 0, 40, 28, 0.5], ["Ivy", 9, 300, 36, 0.8]] },
};

export function room(name) {
  const { wall, floor, window: light, things } = ROOMS[name];
  const svg = make("svg", { viewBox: "0 0 460 230", preserveAspectRatio: "xMidYMid meet", "aria-hidden": "true" });
  make("rect", { x: -600, y: -400, width: 1700, height: 1100, fill: wall }, svg);
  make("rect", { x: -600, y: 168, width: 1700, height: 500, fill: floor }, svg);
  make("rect", { x: -600, y: 164, width: 1700, height: 5, fill: tone(wall, 0.45) }, svg);
  if (light) {
    make("rect", { x: 346, y: 8, width: 92, height: 104, rx: 46, fill: tone(wall, 0.5) }, svg);
    make("rect", { x: 346, y: 60, width: 92, height: 52, fill: tone(wall, 0.5) }, svg);
    make("path", { d: "M392 8 V112 M346 66 H438", stroke: wall, "stroke-width": 4 }, svg);
  }
  for (const [kind, series, x, y, size] of things) draw(make("g", { class: kind.toLowerCase(), transform: `translate(${x} ${y}) scale(${size})` }, svg), kind, series);
  return svg;
}
