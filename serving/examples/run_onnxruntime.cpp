// Run an ONNX file of a bundle with onnxruntime's C++ API: headers and library are in the releases of onnxruntime.
//
//     g++ -std=c++17 -I ort/include run_onnxruntime.cpp -L ort/lib -Wl,-rpath,ort/lib -lonnxruntime -o run_onnxruntime
//     ./run_onnxruntime model.onnx made z=z.npy
//
// Every output NAME goes to made/NAME.npy. Against the real headers this file was NOT compiled where it was written.
#include <onnxruntime_cxx_api.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

struct Array {
  std::string descr;  // "<f4" or "<i4"
  std::vector<std::int64_t> shape;
  std::vector<char> bytes;
};

// A .npy file: 10 bytes, the last two of them the length of a header such as
// {'descr': '<f4', 'fortran_order': False, 'shape': (16, 64), }, then the values.
Array read_npy(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  const std::vector<char> all{std::istreambuf_iterator<char>(stream), {}};
  if (all.size() < 10 || all[6] != 1) throw std::runtime_error(file + " is no .npy file of version 1");
  const std::size_t start = 10 + (std::uint8_t(all[8]) | std::uint8_t(all[9]) << 8);
  if (all.size() < start) throw std::runtime_error(file + " is cut off");
  const std::string header(all.begin() + 10, all.begin() + start);
  Array array;
  array.descr = header.substr(header.find("'descr': '") + 10, 3);
  if ((array.descr != "<f4" && array.descr != "<i4") || header.find("True") != std::string::npos)
    throw std::runtime_error(file + ": save it as float32 or int32 in C order, not " + header);
  const std::size_t open = header.find('(') + 1;
  std::stringstream sides(header.substr(open, header.find(')') - open));
  std::int64_t size = 4;
  for (std::string side; std::getline(sides, side, ',');)
    if (side.find_first_not_of(' ') != std::string::npos) {
      array.shape.push_back(std::stoll(side));
      size *= array.shape.back();
    }
  array.bytes.assign(all.begin() + start, all.end());
  if (std::int64_t(array.bytes.size()) != size) throw std::runtime_error(file + " is cut off");
  return array;
}

void write_npy(const std::filesystem::path& file, const Array& array) {
  std::string header = "{'descr': '" + array.descr + "', 'fortran_order': False, 'shape': (";
  for (const std::int64_t side : array.shape) header += std::to_string(side) + ", ";
  header += "), }";
  header.resize((header.size() + 11 + 63) / 64 * 64 - 11, ' ');
  header += '\n';
  std::ofstream stream(file, std::ios::binary);
  stream << "\x93NUMPY" << char(1) << char(0) << char(header.size() & 255) << char(header.size() >> 8) << header;
  stream.write(array.bytes.data(), std::streamsize(array.bytes.size()));
  if (!stream.flush()) throw std::runtime_error("cannot write " + file.string());
}

int main(int count, char** words) try {
  if (count < 3) throw std::runtime_error("give MODEL.onnx FOLDER [NAME=FILE.npy ...]");
  std::map<std::string, Array> given;
  for (int k = 3; k < count; ++k) {
    const std::string word = words[k];
    const std::size_t at = word.find('=');
    if (at == std::string::npos) throw std::runtime_error(word + " is not NAME=FILE.npy");
    given[word.substr(0, at)] = read_npy(word.substr(at + 1));
  }

  Ort::Env env(ORT_LOGGING_LEVEL_WARNING, "genzoo");
  Ort::Session session(env, words[1], Ort::SessionOptions{});  // on Windows, a path of wide characters
  Ort::AllocatorWithDefaultOptions allocator;
  const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  std::vector<const char*> names, wanted;
  std::vector<Ort::Value> inputs;
  for (auto& [name, array] : given) {
    const auto type = array.descr == "<f4" ? ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT : ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32;
    names.push_back(name.c_str());
    inputs.push_back(Ort::Value::CreateTensor(memory, array.bytes.data(), array.bytes.size(), array.shape.data(),
                                              array.shape.size(), type));
  }
  std::vector<Ort::AllocatedStringPtr> kept;  // they own the names
  for (std::size_t k = 0; k < session.GetOutputCount(); ++k) {
    kept.push_back(session.GetOutputNameAllocated(k, allocator));
    wanted.push_back(kept.back().get());
  }
  auto made = session.Run(Ort::RunOptions{nullptr}, names.data(), inputs.data(), inputs.size(), wanted.data(),
                          wanted.size());

  std::filesystem::create_directories(words[2]);
  for (std::size_t k = 0; k < made.size(); ++k) {
    const auto told = made[k].GetTensorTypeAndShapeInfo();
    const bool is_float = told.GetElementType() == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
    const char* start = static_cast<const char*>(made[k].GetTensorRawData());
    const Array array{is_float ? "<f4" : "<i4", told.GetShape(), {start, start + 4 * told.GetElementCount()}};
    write_npy(std::filesystem::path(words[2]) / (std::string(wanted[k]) + ".npy"), array);
  }
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
