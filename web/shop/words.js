// The demo shop's words: what its products are like, and Restage's names in plain English.

// Of each kind of thing: what it is, of what, how large.
const KINDS = {
  Chair: ["A dining chair with a back that gives a little, so that people stay at the table.", "Solid ash, wool seat", "46 × 51 × 82 cm"],
  Bench: ["A low bench for the hall, the window or the foot of the bed. Seats two who like each other.", "Solid ash, felt pad", "110 × 36 × 46 cm"],
  Stool: ["Sit on it, stand a plant on it, reach the top shelf from it. Three legs never wobble.", "Turned beech, brass ring", "34 × 34 × 48 cm"],
  Rocker: ["Rocks slowly, and stops where you stop. The slow end of the day, built as a chair.", "Bent beech, linen", "64 × 88 × 92 cm"],
  Armchair: ["Deep enough to fold your legs into, upright enough to read in.", "Wool boucle, oak feet", "82 × 80 × 78 cm"],
  Pendant: ["Throws all of its light onto the table and none into your eyes.", "Spun steel, cloth cord", "⌀ 38 cm, cord 2 m"],
  Sconce: ["A warm pool of light beside the bed, with a switch where the hand looks for it.", "Brass, opal glass", "14 × 18 × 26 cm"],
  Lantern: ["A candle that the wind cannot find. Hangs from a branch or stands on the step.", "Powder-coated steel, glass", "18 × 18 × 34 cm"],
  Lamp: ["A shade of linen over a heavy foot: the light that makes a corner into a place.", "Stoneware, linen shade", "⌀ 32 × 46 cm"],
  Spot: ["Bends where you need it and stays there. For work that is done with the hands.", "Steel, oiled joints", "Arm 52 cm"],
  Mug: ["Thick enough to keep coffee warm through one long thought.", "Stoneware, safe in the dishwasher", "320 ml"],
  Vase: ["One stem or ten: the neck holds them as they fell.", "Stoneware, glazed inside", "⌀ 16 × 28 cm"],
  Plate: ["A plate with a rim that keeps the sauce and a foot that stacks without a sound.", "Stoneware, set of four", "⌀ 24 cm"],
  Bowl: ["For fruit, for keys, for soup on a Tuesday.", "Stoneware, matt glaze", "⌀ 26 × 11 cm"],
  Jug: ["Pours without a last drop on the cloth. We tried forty spouts.", "Stoneware, 1.2 l", "15 × 20 × 22 cm"],
  Curtain: ["Softens the morning without hiding it. Falls straight after one wash.", "Washed linen, a pair", "140 × 250 cm"],
  Cushion: ["Filled with kapok, so that it remembers nothing and springs back.", "Cotton cover, kapok", "50 × 50 cm"],
  Runner: ["Woven for a long table or a narrow hall, with a border that frames what stands on it.", "Flat-woven wool", "70 × 200 cm"],
  Rug: ["Rings like a tree's. Warm under bare feet, and quiet under chairs.", "Braided jute and wool", "160 × 230 cm"],
  Throw: ["Large enough for two on the sofa, light enough for one on the train.", "Lambswool", "130 × 180 cm"],
  Ivy: ["Climbs down from any shelf. Forgives a week without water, and then another.", "With pot", "Some 35 cm"],
  Cactus: ["Asks for a window and nothing else. Flowers, if it likes you.", "With pot", "Some 30 cm"],
  Fern: ["A green cloud for the shady side of the room. Likes the bathroom best.", "With pot", "Some 45 cm"],
  Palm: ["Fans of green that move when somebody walks past.", "With pot", "Some 60 cm"],
  Ficus: ["A small tree for a bright corner. It drops three leaves when it moves in, and then settles.", "With pot", "Some 55 cm"],
  Tray: ["Carries breakfast up and paperwork away.", "Lacquered birch", "42 × 32 × 4 cm"],
  Organiser: ["A drawer, a slot and a well: everything small has somewhere to be.", "Birch ply", "24 × 16 × 18 cm"],
  Clock: ["Sweeps without a tick, so that the room stays quiet.", "Steel case, ash feet", "⌀ 22 cm"],
  Board: ["For the postcard, the list and the ticket that you mean to keep.", "Cork, ash frame", "60 × 45 cm"],
  Shelf: ["One board, two brackets, the books that you are reading now.", "Oiled ash", "80 × 20 cm"],
};
// Of each series: what is its own.
const SERIES = {
  Arlo: "Arlo is the warm one: fired clay and honey.",
  Bente: "Bente wears the green of old glasshouses.",
  Calla: "Calla is blue as an evening in June, with a thread of copper.",
  Dune: "Dune is the yellow of late grass.",
  Esker: "Esker is dyed with plum skins, and no two batches agree.",
  Fjord: "Fjord has the grey-blue of cold water.",
  Gale: "Gale is red earth after rain.",
  Holt: "Holt is moss and olive, the quiet end of green.",
  Isla: "Isla keeps to bark, sand and wool.",
  Juno: "Juno is dusk: slate, with a spark of copper.",
};
export const describe = (name) => {
  const [series, kind] = name.split(" ");
  const [say, of, size] = KINDS[kind];
  return { say: `${say} ${SERIES[series]}`, of, size };
};

export const CATEGORIES = {
  seating: "Places to stay a little longer.",
  lighting: "Warm light, where it is needed and nowhere else.",
  ceramics: "Turned by hand, fired twice, made to be used.",
  textiles: "Wool, linen and cotton that grow softer.",
  plants: "Green company, in pots that suit it.",
  desk: "Order for the table where things get done.",
};

// Restage's names.
export const PHASES = {
  browsing: "Looking around, without a goal that shows.",
  exploring: "Looking for something: comparing, going deeper.",
  deciding: "Choosing between few things.",
  buying: "About to buy.",
  hesitating: "Something is in the basket, and the visit has stalled.",
};
export const SLOTS = { banner: "the banner on the home page", grid: "the order of the products", promo: "the strip at the top", cta: "the button of the product page" };
export const ARMS = {
  brand: "the shop's own welcome", new_arrivals: "what has just arrived", category_guide: "the guide to a category", basket_reminder: "a reminder of the basket",
  popular: "the shop's favourites", trending: "what others look at now", like_this: "things like those you looked at", seen_next: "what others looked at next",
  none: "the usual promise", free_shipping: "free delivery", cart_discount: "ten per cent off",
  add_to_cart: "“Add to basket”", reserve: "“Reserve yours”", get_it_tomorrow: "“Get it tomorrow”",
};
export const TRIGGERS = {
  start: "the visit began", page_view: "you opened a page", list_view: "you opened a category", item_view: "you opened a product", click: "you clicked", search: "you searched",
  scroll: "you scrolled", dwell: "you stayed on a page", add_to_cart: "you put something in the basket", remove_from_cart: "you took something out of the basket",
  view_cart: "you looked at the basket", begin_checkout: "you went to the checkout", purchase: "you bought something", impression: "the page had been seen",
  exit_intent: "the pointer left the page", "timer:hesitation": "nothing happened for a while, with a full basket", tables: "what was learned from all visitors has changed",
};
const FEATURES = {
  events: "how much you did", page_views: "pages opened", list_views: "categories opened", item_views: "products opened", clicks: "clicks", cart_adds: "things put in the basket",
  cart_removes: "things taken out again", cart_views: "looks at the basket", checkouts: "the checkout", purchases: "orders in this visit", distinct_items: "different products",
  distinct_categories: "different categories", repeat_views: "products opened again", dwell_sum: "time on pages", dwell_mean: "time a page", cart_size: "units in the basket",
  cart_value: "worth of the basket", cart_age: "age of the basket", scroll_mean: "how far you scrolled", scroll_max: "how far you scrolled at most", exit_intents: "leaving with the pointer",
  since_start: "time since the visit began", since_cart_add: "time since the last thing put in the basket", gap_mean: "time between two steps", prior_sessions: "visits before this one",
};
const seconds = (value) => (value < 60 ? `${value.toFixed(value < 10 ? 1 : 0)} s` : `${Math.floor(value / 60)} min ${Math.floor(value % 60)} s`);
const MEASURES = {
  dwell_sum: seconds, dwell_mean: seconds, since_start: seconds, since_cart_add: seconds, gap_mean: seconds, cart_age: seconds,
  cart_value: (value) => `€ ${value.toFixed(2)}`, scroll_max: (value) => `${(100 * value).toFixed(0)} %`, scroll_mean: (value) => `${(100 * value).toFixed(0)} %`,
};
// A feature's value as people write it.
export const measure = (name, value) => MEASURES[name]?.(value) ?? String(value);
const plain = (table) => (name) => table[name] ?? name.replaceAll("_", " ");
export const arm = plain(ARMS);
export const slot = plain(SLOTS);
export const trigger = plain(TRIGGERS);
export const feature = plain(FEATURES);
