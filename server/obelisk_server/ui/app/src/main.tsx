import { render } from "preact";
import "./style/index.css";

render(<h1>Obelisk</h1>, document.getElementById("app")!);
