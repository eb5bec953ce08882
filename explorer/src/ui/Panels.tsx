export function Panels() {
  return <div />;
}
