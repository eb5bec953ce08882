import { render } from "preact";
import { App } from "./ui/App";
import { followAddress } from "./ui/store";
import figure from "./ui/figure.css?inline";
import "./ui/style.css";

const style = document.createElement("style");
style.textContent = figure;
document.head.append(style);

render(<App />, document.getElementById("app")!);
followAddress();
