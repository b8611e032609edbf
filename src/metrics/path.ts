// Where every process that has figures tells them.

export const metricsPath = '/metrics';
