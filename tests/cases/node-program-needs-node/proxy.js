#!/usr/bin/env node
console.log("proxy ready")
