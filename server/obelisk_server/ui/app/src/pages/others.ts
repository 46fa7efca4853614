/** All pages but the list, as one piece of code that comes after it. */

export { ComponentsPage } from "./components/ComponentsPage.tsx";
export { ExecutionPage } from "./execution/ExecutionPage.tsx";
export { HealthPage } from "./health/HealthPage.tsx";
export { SubmitPage } from "./submit/SubmitPage.tsx";
