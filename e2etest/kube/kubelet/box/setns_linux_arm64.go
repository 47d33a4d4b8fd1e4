package box

const sysSetns = 268
