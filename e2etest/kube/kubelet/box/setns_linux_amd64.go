package box

const sysSetns = 308
