// Mouse, touch and wheel on the map, told as what they mean. Places are pixels from the top left of the element.

const STILL = 5; // pixels that a click may move
const WHEEL = 0.0015;
const LINE = 16; // pixels

/** @typedef {{pan: (x: number, y: number) => void, zoom: (factor: number, x: number, y: number) => void,
 *   hover: (x: number, y: number) => void, leave: () => void, click: (x: number, y: number) => void}} Meanings */

/** @param {HTMLElement} element @param {Meanings} meanings */
export function listen(element, { pan, zoom, hover, leave, click }) {
  /** @type {Map<number, {x: number, y: number}>} */
  const fingers = new Map();
  let hasMoved = false;
  const placeOf = (/** @type {MouseEvent} */ event) => {
    const { left, top } = element.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  };

  element.addEventListener("pointerdown", (event) => {
    if (event.button === 0) {
      element.setPointerCapture(event.pointerId);
      hasMoved = fingers.size > 0;
      fingers.set(event.pointerId, placeOf(event));
    }
  });
  element.addEventListener("pointermove", (event) => {
    const place = placeOf(event);
    const before = fingers.get(event.pointerId);
    if (before === undefined) {
      hover(place.x, place.y);
      return;
    }
    if (!hasMoved && Math.hypot(place.x - before.x, place.y - before.y) < STILL) {
      return;
    }
    hasMoved = true;
    fingers.set(event.pointerId, place);
    const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const distance = (/** @type {{x: number, y: number}} */ from) => Math.hypot(from.x - other.x, from.y - other.y);
      zoom(distance(before) / Math.max(1, distance(place)), (place.x + other.x) / 2, (place.y + other.y) / 2);
      pan((place.x - before.x) / 2, (place.y - before.y) / 2);
    } else {
      pan(place.x - before.x, place.y - before.y);
    }
  });
  element.addEventListener("pointerup", (event) => {
    const place = placeOf(event);
    if (fingers.delete(event.pointerId) && !hasMoved) {
      click(place.x, place.y);
    }
  });
  element.addEventListener("pointercancel", (event) => fingers.delete(event.pointerId));
  element.addEventListener("pointerleave", leave);
  element.addEventListener(
    "wheel",
    (event) => {
      if (event.ctrlKey || document.activeElement === element) {
        event.preventDefault();
        const { x, y } = placeOf(event);
        zoom(Math.exp(event.deltaY * (event.deltaMode ? LINE : 1) * WHEEL), x, y);
      }
    },
    { passive: false },
  );
}
