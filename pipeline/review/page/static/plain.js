// For the two pages that are a form only: who are you, and what is the token.
import { fill, speak } from "./strings.js";

speak(document.documentElement.lang);
fill(document);
