# Writes ../SHA256SUMS over the data and the reference answers; the tests read it
owd <- setwd("..")
files <- sort(c(list.files(".", "[.]json$"), file.path("data", list.files("data", "[.]csv$"))), method = "radix")
writeLines(system2("sha256sum", files, stdout = TRUE), "SHA256SUMS")
setwd(owd)
cat("wrote SHA256SUMS,", length(files), "files\n")
