module wanderer

go 1.24
