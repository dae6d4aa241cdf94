// The basket, what was promised for it, and what it comes to. It lives as long as the tab.
const DELIVERY = 4.9;
const FREE_FROM = 100;
const HOUR = 3_600_000;

const read = (name, empty) => {
  try {
    return JSON.parse(sessionStorage.getItem(name)) ?? empty;
  } catch {
    return empty;
  }
};
const cents = (value) => Math.round(value * 100) / 100;

export class Basket {
  constructor(known) {
    this.known = known;
    this.units = new Map(read("basket", []).filter(([id, units]) => known.has(id) && units > 0));
    // A promise that was made holds until the order, or for its hour.
    this.promises = read("promises", {});
  }

  keep() {
    sessionStorage.setItem("basket", JSON.stringify([...this.units]));
    sessionStorage.setItem("promises", JSON.stringify(this.promises));
  }

  get count() {
    return [...this.units.values()].reduce((all, units) => all + units, 0);
  }

  /// Changes the units of a product; by how many they did.
  change(id, by) {
    const before = this.units.get(id) ?? 0;
    const after = Math.min(99, Math.max(0, before + by));
    if (after) this.units.set(id, after);
    else this.units.delete(id);
    this.keep();
    return after - before;
  }

  /// Notes what the strip at the top promises.
  promise(arm) {
    if (arm !== "free_shipping" && arm !== "cart_discount") return false;
    if (this.holds(arm)) return false;
    this.promises[arm] = Date.now() + HOUR;
    this.keep();
    return true;
  }

  holds(arm) {
    return (this.promises[arm] ?? 0) > Date.now();
  }

  lines() {
    return [...this.units].map(([id, units]) => ({ one: this.known.get(id), units }));
  }

  totals() {
    const goods = cents(this.lines().reduce((all, { one, units }) => all + one.price * units, 0));
    const discount = this.holds("cart_discount") ? cents(goods * 0.1) : 0;
    const usual = goods - discount >= FREE_FROM || !goods ? 0 : DELIVERY;
    const delivery = this.holds("free_shipping") ? 0 : usual;
    return { goods, discount, delivery, waived: usual > 0 && !delivery, total: cents(goods - discount + delivery) };
  }

  /// What was ordered; the basket is empty after it.
  order() {
    const order = { lines: this.lines().map(({ one, units }) => [one.item, units]), ...this.totals(), number: String(Date.now()).slice(-6) };
    sessionStorage.setItem("order", JSON.stringify(order));
    this.clear();
    return order;
  }

  last() {
    return read("order", null);
  }

  clear() {
    this.units.clear();
    this.promises = {};
    this.keep();
  }
}
