/* Runs a harness over files, for compilers without libFuzzer: each argument is a file or a folder of files. */
#include <dirent.h>

#include "tests/fuzz/c/harness.h"

static int replay_file(const char *path) {
    static uint8_t bytes[1 << 20];
    FILE *file = fopen(path, "rb");
    size_t size;
    if (file == NULL) return perror(path), 1;
    size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    fprintf(stderr, "%s\n", path); /* the last one named is the one that failed */
    return LLVMFuzzerTestOneInput(bytes, size);
}

int main(int count, char **paths) {
    char path[4096];
    int failed = 0, files = 0;
    for (int i = 1; i < count; i++) {
        DIR *folder = opendir(paths[i]);
        if (folder == NULL) {
            failed |= replay_file(paths[i]);
            files++;
            continue;
        }
        for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
            if (entry->d_name[0] == '.') continue;
            snprintf(path, sizeof path, "%s/%s", paths[i], entry->d_name);
            failed |= replay_file(path);
            files++;
        }
        closedir(folder);
    }
    printf("replayed %d\n", files);
    return failed;
}
