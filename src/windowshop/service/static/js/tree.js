// Categories as a tree: paths with counts become nodes, and nodes what is picked.

const SEPARATOR = " > ";

/** The roots of the tree that paths make. A node has its name, path, count, values below, children. */
export function treeOf(values, count) {
  const top = { children: new Map() };
  for (const item of values) {
    let node = top;
    const names = String(item.value).split(SEPARATOR);
    names.forEach((name, i) => {
      const path = names.slice(0, i + 1).join(SEPARATOR);
      if (!node.children.has(name)) node.children.set(name, { name, path, count: 0, values: [], picked: 0, children: new Map() });
      node = node.children.get(name);
      node.count += count(item);
      node.values.push(item.value);
      node.picked += item.picked ? 1 : 0;
    });
  }
  return sorted(top);
}

/** The fewest nodes that have all picked values below them, and no others. */
export function pickedNodes(nodes) {
  return nodes.flatMap((node) => {
    if (!node.picked) return [];
    return node.picked === node.values.length ? [node] : pickedNodes(sorted(node));
  });
}

export const sorted = (node) => [...node.children.values()].sort((one, other) => other.count - one.count);
