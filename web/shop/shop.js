// The demo shop: views, a basket, and what it tells Restage. Restage itself is in restage.js.
import { Basket } from "/basket.js";
import { start } from "/drawer.js";
import { NAMES } from "/names.js";
import { picture, room } from "/pictures.js";
import { CATEGORIES, describe } from "/words.js";

const by = (id) => document.getElementById(id);
const money = (value) => `€ ${value.toFixed(2)}`;
const capital = (words) => words[0].toUpperCase() + words.slice(1);
const text = (tag, words, parent, name) => {
  const node = document.createElement(tag);
  node.textContent = words;
  if (name) node.className = name;
  parent?.append(node);
  return node;
};
const link = (path, words, parent, name) => {
  const node = text("a", words, parent, name);
  node.href = path;
  return node;
};

const rows = (await (await fetch("/items.csv")).text()).trim().split("\n").slice(1);
const items = rows.map((row, number) => {
  const [item, category, price] = row.split(",");
  return { item, category, price: Number(price), number, name: NAMES[number] };
});
const known = new Map(items.map((item) => [item.item, item]));
const categories = [...new Set(items.map((item) => item.category))];
const { restage } = window;
const basket = new Basket(known);
const about = (one) => ({ item: one.item, category: one.category, price: one.price });
const paint = (one) => picture(one.number, one.name);

const card = (one) => {
  const node = link(`/p/${one.item}`, "", null, "card");
  node.dataset.rsItem = one.item;
  node.dataset.category = one.category;
  text("div", "", node, "frame").append(paint(one));
  text("b", one.name, node);
  text("span", money(one.price), node);
  return node;
};
categories.forEach((category, place) => {
  link(`/c/${category}`, category, by("nav"));
  const tile = link(`/c/${category}`, "", by("tiles"));
  // Another series each.
  const first = items.filter((one) => one.category === category)[place];
  text("div", "", tile, "frame").append(paint(first));
  text("b", category, tile);
});
for (const scene of document.querySelectorAll("[data-room]")) scene.append(room(scene.dataset.room));
by("grid").append(...items.map(card));
document.body.classList.add("ready");

const SECTIONS = ["banner", "tiles", "list", "product", "cart", "pay", "thanks", "missing"];
const show = (...ids) => {
  for (const id of SECTIONS) by(id).hidden = !ids.includes(id);
};
const title = (words, lead = "") => {
  by("title").textContent = words;
  by("lead").textContent = lead;
};
let current = null;

// Each view shows itself and says which event it is.
const VIEWS = {
  p(name) {
    current = known.get(name);
    const { say, of, size } = describe(current.name);
    show("product", "list");
    by("picture").replaceChildren(paint(current));
    by("crumb").textContent = current.category;
    by("crumb").href = `/c/${current.category}`;
    by("name").textContent = current.name;
    by("price").textContent = money(current.price);
    by("text").textContent = say;
    by("made").textContent = of;
    by("size").textContent = size;
    title("You may like");
    return ["item_view", about(current)];
  },
  c(name) {
    show("list");
    title(capital(name), CATEGORIES[name]);
    return ["list_view", { category: name }];
  },
  cart() {
    show("cart", "list");
    title(basket.count ? "Goes well with it" : "What others like");
    return ["view_cart"];
  },
  checkout() {
    show("pay");
    return ["page_view"];
  },
  thanks() {
    show("thanks", "list");
    title("While you wait");
    return ["page_view"];
  },
  missing() {
    show("missing", "list");
    title("For you");
    return ["page_view"];
  },
  home() {
    show("banner", "tiles", "list");
    title("For you");
    return ["page_view"];
  },
};
const viewOf = (path) => {
  const [, view, name] = path.split("/");
  if (view === "p") return known.has(name) ? ["p", name] : ["missing"];
  if (view === "c") return categories.includes(name) ? ["c", name] : ["missing"];
  if (view === "checkout") return [basket.count ? "checkout" : "cart"];
  if (view === "thanks") return [basket.last() ? "thanks" : "home"];
  return [view === "cart" ? "cart" : "home"];
};

const go = (path, push = true) => {
  if (push) history.pushState(null, "", path);
  current = null;
  const [view, name] = viewOf(path);
  for (const node of by("nav").children) node.toggleAttribute("aria-current", view === "c" && node.textContent === name);
  by("grid").classList.toggle("all", view === "c");
  for (const child of by("grid").children) child.classList.toggle("other", view === "c" && child.dataset.category !== name);
  by("toast").hidden = true;
  const said = VIEWS[view](name);
  draw();
  restage?.view(...said);
  if (view === "checkout") restage?.track("begin_checkout", { value: basket.totals().total });
  if (push) scrollTo(0, 0);
};

// What an order comes to, and the way on.
const sum = (id, { goods, discount, delivery, waived, total }, next) => {
  const node = by(id);
  node.replaceChildren();
  const row = (name, value, kind) => {
    const line = text("p", "", node, kind);
    text("span", name, line);
    text("b", value, line);
  };
  row("Goods", money(goods));
  // Always a row, so that a promise that comes moves nothing.
  row(discount ? "Ten per cent off" : "Promotion", discount ? `− ${money(discount)}` : "–", discount ? "good" : "");
  row("Delivery, tomorrow", delivery ? money(delivery) : "free", waived ? "good" : "");
  row("Total", money(total), "total");
  if (next) node.append(next);
};
const line = (one, units, parent, isFixed) => {
  const node = text("li", "", parent);
  text("div", "", node, "frame").append(paint(one));
  const words = text("div", "", node, "words");
  link(`/p/${one.item}`, one.name, words);
  text("span", isFixed ? `${units} × ${money(one.price)}` : money(one.price), words, "small");
  if (!isFixed) {
    const count = text("div", "", node, "count");
    for (const [by, sign, said] of [[-1, "−", "One fewer"], [0, String(units)], [1, "+", "One more"]]) {
      if (!by) text("span", sign, count);
      else {
        const button = text("button", sign, count);
        button.type = "button";
        button.setAttribute("aria-label", `${said}: ${one.name}`);
        button.addEventListener("click", () => change(one, by));
      }
    }
  }
  text("b", money(one.price * units), node, "worth");
  if (!isFixed) {
    const remove = text("button", "Remove", node, "remove");
    remove.type = "button";
    remove.addEventListener("click", () => change(one, -units));
  }
};
const draw = () => {
  const { count } = basket;
  by("count").textContent = count;
  const totals = basket.totals();
  if (!by("cart").hidden) {
    by("lines").replaceChildren();
    for (const { one, units } of basket.lines()) line(one, units, by("lines"));
    by("empty").hidden = count > 0;
    by("cart_sum").hidden = !count;
    const next = link("/checkout", "Go to checkout", null, "cta");
    next.id = "checkout";
    sum("cart_sum", totals, next);
  }
  if (!by("pay").hidden) {
    const buy = text("button", `Place the order: ${money(totals.total)}`, null, "cta");
    buy.id = "buy";
    buy.type = "button";
    buy.addEventListener("click", order);
    sum("pay_sum", totals, buy);
    const list = text("ul", "");
    for (const { one, units } of basket.lines()) line(one, units, list, true);
    by("pay_sum").prepend(list);
  }
  const last = basket.last();
  if (!by("thanks").hidden && last) {
    by("number").textContent = last.number;
    by("ordered").replaceChildren();
    for (const [id, units] of last.lines) if (known.has(id)) line(known.get(id), units, by("ordered"), true);
    sum("thanks_sum", last);
  }
};

const change = (one, by_) => {
  const changed = basket.change(one.item, by_);
  draw();
  if (changed) restage?.track(changed > 0 ? "add_to_cart" : "remove_from_cart", { ...about(one), quantity: Math.abs(changed) });
};
const order = () => {
  const { goods, discount } = basket.totals();
  const paid = goods ? 1 - discount / goods : 1;
  for (const { one, units } of basket.lines())
    restage?.track("purchase", { ...about(one), quantity: units, value: Math.round(one.price * units * paid * 100) / 100 });
  basket.order();
  go("/thanks");
};

let fading = 0;
by("add").addEventListener("click", () => {
  if (!current) return;
  change(current, 1);
  by("toast").firstElementChild.textContent = `${current.name} is in your basket.`;
  by("toast").hidden = false;
  clearTimeout(fading);
  fading = setTimeout(() => (by("toast").hidden = true), 3500);
});
document.addEventListener("click", (event) => {
  const to = event.target.closest("a[href^='/']");
  if (!to || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  go(to.pathname);
});
addEventListener("popstate", () => go(location.pathname, false));

// What the strip promises, holds: a promise changes the total.
const promised = () => {
  const arm = document.querySelector(".promo > :not([hidden])")?.dataset.rsArm;
  if (basket.promise(arm)) draw();
};
document.addEventListener("restage", ({ detail: { state } }) => state === "applied" && promised());

start(async () => {
  await restage?.forget();
  basket.clear();
  go("/");
});
go(location.pathname, false);
