// Dialogs over the results: the filters on a phone, and one product.

import { byId } from "./dom.js";

/** `closed()` is called when the product's dialog has been closed. */
export function watchSheets(closed) {
  const filters = byId("filters-dialog");
  const detail = byId("detail");
  byId("open-filters").addEventListener("click", () => {
    byId("filters-away").append(byId("filters"));
    filters.showModal();
  });
  for (const id of ["filters-done", "filters-close"]) byId(id).addEventListener("click", () => filters.close());
  filters.addEventListener("close", () => byId("filters-home").append(byId("filters")));
  byId("detail-close").addEventListener("click", () => detail.close());
  detail.addEventListener("close", closed);
  for (const dialog of [filters, detail]) {
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close();
    });
  }
}
